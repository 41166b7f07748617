#!/bin/sh
# The commands of `deno task lab`, chosen by the name that this file is called by:
#   k8contivnet | netdcli ARGS...   run on the first host
#   on HOST COMMAND...              run COMMAND on a host (h2, host2 or 2), with its own Open vSwitch
#   pod HOST NAME [NAMESPACE]       create a pod and set it up there, as a kubelet does
#   inside NAME COMMAND...          run COMMAND in that pod
#   unpod NAME                      tear it down and delete it
# LAB_DIR is the cluster's folder, LAB_FILE the executable.
set -eu
called=${0##*/}

fail() {
  echo "$called: $*" >&2
  exit 2
}

# Executes a command on host number $1.
exec_on() {
  number=$1 host=$LAB_DIR/h$1
  shift
  K8CONTIVNET_SOCKET=$host/agent/agent.sock OVS_RUNDIR=$host/ovs exec nsenter "--net=/run/netns/h$number" -- "$@"
}

# Sets number to that of host $1.
find_host() {
  number=${1#h} number=${number#ost}
  [ -d "$LAB_DIR/h$number" ] || fail "there is no host $1"
}

# Sets number, namespace and id to those of pod $1.
find_pod() {
  [ -f "$LAB_DIR/pods/$1" ] || fail "there is no pod $1; create it: pod h1 $1"
  read -r number namespace id <"$LAB_DIR/pods/$1"
}

case $called in
  k8contivnet) exec_on 1 "$LAB_FILE" "$@" ;;
  netdcli) exec_on 1 "$LAB_FILE" netdcli "$@" ;;
  on)
    [ $# -ge 2 ] || fail "on HOST COMMAND..., e.g. on h2 k8contivnet get attachments"
    find_host "$1"
    shift
    case $1 in
      k8contivnet) shift; set -- "$LAB_FILE" "$@" ;;
      netdcli) shift; set -- "$LAB_FILE" netdcli "$@" ;;
    esac
    exec_on "$number" "$@"
    ;;
  pod)
    [ $# -ge 2 ] || fail "pod HOST NAME [NAMESPACE], e.g. pod h1 myContainer1"
    find_host "$1"
    name=$2 namespace=${3-default}
    [ ! -f "$LAB_DIR/pods/$name" ] || fail "pod $name exists already; delete it: unpod $name"
    id=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
    ip netns add "$id"
    ip -n "$id" link set lo up
    echo "$number $namespace $id" >"$LAB_DIR/pods/$name"
    exec_on "$number" "$LAB_FILE" setup "$namespace" "$name" "$id"
    ;;
  inside)
    [ $# -ge 2 ] || fail "inside NAME COMMAND..., e.g. inside myContainer1 ping -c1 11.1.0.2"
    find_pod "$1"
    shift
    exec nsenter "--net=/run/netns/$id" -- "$@"
    ;;
  unpod)
    [ $# -eq 1 ] || fail "unpod NAME"
    find_pod "$1"
    (exec_on "$number" "$LAB_FILE" teardown "$namespace" "$1" "$id")
    ip netns del "$id"
    rm "$LAB_DIR/pods/$1"
    ;;
  *) fail "call this file by the name of one of its commands" ;;
esac
