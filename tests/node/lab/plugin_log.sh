#!/bin/bash
# Stands in a runtime's folder of plugins in the place of one: writes a line for each call into LOG, and
# passes the call on to the plugin of the same name in the folder REAL; plugins.ts fills both in. A
# script FAULTS/COMMAND is read before: it can fail, wait, or end the call. No builtin but printf is used
# for the input, which may have a megabyte.
input=$(cat)
began=$(date +%s%3N)
result() {
  local netns=$CNI_NETNS previous=without
  [ -z "$netns" ] || [ -e "$netns" ] || netns=gone
  [[ $input != *'"prevResult"'* ]] || previous=with
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$began" "$(date +%s%3N)" "${0##*/}" "$CNI_COMMAND" "$CNI_CONTAINERID" \
    "$CNI_IFNAME" "$netns" "$previous" "$1" "$CNI_ARGS" >>"LOG"
}
if [ -e "FAULTS/$CNI_COMMAND" ]; then
  # shellcheck source=/dev/null
  . "FAULTS/$CNI_COMMAND"
fi
printf %s "$input" | "REAL/${0##*/}"
code=$?
result "$code"
exit "$code"
