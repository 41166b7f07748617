// Calls plugins through libcni, as container runtimes do. cnitool can name neither a container id nor the
// attachments that GC keeps, and prints errors without their codes; so this reads one call as JSON from standard
// input and prints {called, result} or {called, error: {code, msg, details}}. `called` is how many plugins libcni
// has started. An error of libcni itself has code 0.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
)

type request struct {
	Command string `json:"command"`
	// The file *.conflist.
	List        string                 `json:"list"`
	Path        []string               `json:"path"`
	CacheDir    string                 `json:"cacheDir"`
	ContainerID string                 `json:"containerId"`
	Netns       string                 `json:"netns"`
	Ifname      string                 `json:"ifname"`
	Args        [][2]string            `json:"args"`
	Runtime     map[string]interface{} `json:"runtimeConfig"`
	// For GC; without it, libcni passes no list. CRI-O's list without elements is nil, which is null in JSON.
	Valid    *[]types.GCAttachment `json:"valid"`
	ValidNil bool                  `json:"validNil"`
}

type answer struct {
	Called int          `json:"called"`
	Result types.Result `json:"result,omitempty"`
	Error  *types.Error `json:"error,omitempty"`
}

// counting counts the plugins that are executed.
type counting struct {
	invoke.Exec
	calls int
}

func (c *counting) ExecPlugin(ctx context.Context, path string, stdin []byte, env []string) ([]byte, error) {
	c.calls++
	return c.Exec.ExecPlugin(ctx, path, stdin, env)
}

func main() {
	var r request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	exec := &counting{Exec: &invoke.DefaultExec{
		RawExec:       &invoke.RawExec{Stderr: os.Stderr},
		PluginDecoder: version.PluginDecoder{},
	}}
	result, err := call(&r, libcni.NewCNIConfigWithCacheDir(r.Path, r.CacheDir, exec))
	out := answer{Called: exec.calls, Result: result}
	if err != nil && !errors.As(err, &out.Error) {
		out.Error = &types.Error{Msg: err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func call(r *request, cni *libcni.CNIConfig) (types.Result, error) {
	ctx := context.Background()
	list, err := libcni.NetworkConfFromBytes([]byte(r.List))
	if err != nil {
		return nil, err
	}
	rt := &libcni.RuntimeConf{
		ContainerID:    r.ContainerID,
		NetNS:          r.Netns,
		IfName:         r.Ifname,
		Args:           r.Args,
		CapabilityArgs: r.Runtime,
	}
	switch r.Command {
	case "ADD":
		return cni.AddNetworkList(ctx, list, rt)
	case "CHECK":
		return nil, cni.CheckNetworkList(ctx, list, rt)
	case "DEL":
		return nil, cni.DelNetworkList(ctx, list, rt)
	case "GC":
		var args *libcni.GCArgs
		if r.ValidNil {
			args = &libcni.GCArgs{}
		} else if r.Valid != nil {
			args = &libcni.GCArgs{ValidAttachments: *r.Valid}
		}
		return nil, cni.GCNetworkList(ctx, list, args)
	case "STATUS":
		return nil, cni.GetStatusNetworkList(ctx, list)
	case "VALIDATE":
		_, err := cni.ValidateNetworkList(ctx, list)
		return nil, err
	}
	return nil, fmt.Errorf("command %q is unknown here", r.Command)
}
