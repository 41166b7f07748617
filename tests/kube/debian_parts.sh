# Sourced by scripts that fetch parts of Debian which this machine's own package lists do not have: with
# lists of their own below $work/apt, so that the machine's apt state stays unchanged.
# shellcheck shell=bash

private_apt() {
  (cd "${work:?}/apt" && apt-get -qq -o Dir::Etc::SourceList="$work/apt/none" \
    -o Dir::Etc::SourceParts="$work/apt/parts" -o Dir::State::Lists="$work/apt/lists" \
    -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root "$@" </dev/null >&2)
}

# Adds the machine's lists of Debian's packages, changed by a sed script: "deb ..." lines, and stanzas with
# "Types:".
add_lists() {
  local file SourceList='' SourceParts=''
  mkdir -p "$work"/apt/{parts,lists/partial,cache/archives/partial}
  eval "$(apt-config shell SourceList Dir::Etc::sourcelist/f SourceParts Dir::Etc::sourceparts/d)"
  for file in "$SourceList" "$SourceParts"*.list "$SourceParts"*.sources; do
    if [ ! -f "$file" ] || ! grep -qiE 'debian|bookworm' "$file"; then continue; fi
    sed -E "$1" "$file" >"$work/apt/parts/$(basename "$file")"
  done
  private_apt update || say "some package lists could not be downloaded; continuing with the others"
}
