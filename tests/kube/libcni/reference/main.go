// A plugin that does nothing but what the reference implementation's library (pkg/skel) and the parsers that
// the reference plugins call check of a call: what it refuses or accepts is compared with our answers.
package main

import (
	"encoding/json"
	"fmt"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

type arguments struct {
	types.CommonArgs
	IP, MAC                                      types.UnmarshallableString
	K8S_POD_NAMESPACE, K8S_POD_NAME, K8S_POD_UID types.UnmarshallableString
	K8S_POD_INFRA_CONTAINER_ID                   types.UnmarshallableString
}

func load(args *skel.CmdArgs) (*types.PluginConf, error) {
	conf := &types.PluginConf{}
	if err := json.Unmarshal(args.StdinData, conf); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, err.Error(), "")
	}
	if err := version.ParsePrevResult(conf); err != nil {
		return nil, types.NewError(types.ErrInvalidNetworkConfig, err.Error(), "")
	}
	if err := types.LoadArgs(args.Args, &arguments{}); err != nil {
		return nil, types.NewError(types.ErrInvalidEnvironmentVariables, err.Error(), "")
	}
	return conf, nil
}

func add(args *skel.CmdArgs) error {
	conf, err := load(args)
	if err != nil {
		return err
	}
	return types.PrintResult(&current.Result{CNIVersion: current.ImplementedSpecVersion}, conf.CNIVersion)
}

func check(args *skel.CmdArgs) error {
	conf, err := load(args)
	if err == nil && conf.PrevResult == nil {
		err = types.NewError(types.ErrInvalidNetworkConfig, "no prevResult", "")
	}
	return err
}

func other(args *skel.CmdArgs) error { return nil }

func gc(args *skel.CmdArgs) error {
	conf := &types.PluginConf{}
	if err := json.Unmarshal(args.StdinData, conf); err != nil {
		return types.NewError(types.ErrDecodingFailure, err.Error(), "")
	}
	if conf.ValidAttachments == nil {
		return types.NewError(types.ErrInvalidNetworkConfig, fmt.Sprintf("no attachments for %s", conf.Name), "")
	}
	return nil
}

func main() {
	skel.PluginMainFuncs(
		skel.CNIFuncs{Add: add, Check: check, Del: other, GC: gc, Status: other},
		version.PluginSupports("0.3.1", "0.4.0", "1.0.0", "1.1.0"),
		"reference",
	)
}
