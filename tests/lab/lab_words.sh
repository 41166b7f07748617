#!/bin/sh
# What a person in `deno task lab` can say, by the name that this file is called by:
#   k8contivnet | netdcli WORDS...   the first host's, as a person there would call them
#   on HOST WORDS...                 WORDS on a host (h2, host2 or 2); Open vSwitch's tools find its switch
#   pod HOST NAME [NAMESPACE]        a pod, set up there as a kubelet does
#   inside NAME WORDS...             WORDS in that pod
#   unpod NAME                       tears it down, and ends it
# LAB_DIR is the cluster's folder, LAB_FILE the executable.
set -eu
called=${0##*/}

fail() {
  echo "$called: $*" >&2
  exit 2
}

# Becomes WORDS on host number $1.
become() {
  number=$1 host=$LAB_DIR/h$1
  shift
  K8CONTIVNET_SOCKET=$host/agent/agent.sock K8CONTIVNET_STATE_DIR=$host/agent/state \
    OVS_RUNDIR=$host/ovs exec nsenter "--net=/run/netns/h$number" -- "$@"
}

# Sets number of the host that $1 means.
find_host() {
  number=${1#h} number=${number#ost}
  [ -d "$LAB_DIR/h$number" ] || fail "there is no host $1"
}

# Sets number, namespace and id of the pod called $1.
find_pod() {
  [ -f "$LAB_DIR/pods/$1" ] || fail "there is no pod $1; make it: pod h1 $1"
  read -r number namespace id <"$LAB_DIR/pods/$1"
}

case $called in
  k8contivnet) become 1 "$LAB_FILE" "$@" ;;
  netdcli) become 1 "$LAB_FILE" netdcli "$@" ;;
  on)
    [ $# -ge 2 ] || fail "on HOST WORDS..., e.g. on h2 k8contivnet get attachments"
    find_host "$1"
    shift
    case $1 in
      k8contivnet) shift; set -- "$LAB_FILE" "$@" ;;
      netdcli) shift; set -- "$LAB_FILE" netdcli "$@" ;;
    esac
    become "$number" "$@"
    ;;
  pod)
    [ $# -ge 2 ] || fail "pod HOST NAME [NAMESPACE], e.g. pod h1 myContainer1"
    find_host "$1"
    name=$2 namespace=${3-default}
    [ ! -f "$LAB_DIR/pods/$name" ] || fail "there is a pod $name already; end it: unpod $name"
    id=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
    ip netns add "$id"
    ip -n "$id" link set lo up
    echo "$number $namespace $id" >"$LAB_DIR/pods/$name"
    become "$number" "$LAB_FILE" setup "$namespace" "$name" "$id"
    ;;
  inside)
    [ $# -ge 2 ] || fail "inside NAME WORDS..., e.g. inside myContainer1 ping -c1 11.1.0.2"
    find_pod "$1"
    shift
    exec nsenter "--net=/run/netns/$id" -- "$@"
    ;;
  unpod)
    [ $# -eq 1 ] || fail "unpod NAME"
    find_pod "$1"
    (become "$number" "$LAB_FILE" teardown "$namespace" "$1" "$id")
    ip netns del "$id"
    rm "$LAB_DIR/pods/$1"
    ;;
  *) fail "this file is called by one of its names" ;;
esac
