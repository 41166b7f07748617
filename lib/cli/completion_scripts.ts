// What shells load to complete the program's words: each asks the hidden command __complete, and evaluates nothing that
// was typed or answered. Pure.

/** The hidden command, which the scripts call. */
export const COMPLETE = "__complete";
/** Line of its answer where the shell completes names of files. */
export const FILES_LINE = ":files";

const BASH = `# Completion of k8contivnet for bash.
_k8contivnet() {
  local line
  local -a lines
  COMPREPLY=()
  mapfile -t lines < <(k8contivnet ${COMPLETE} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
  for line in "\${lines[@]}"; do
    if [ "$line" = "${FILES_LINE}" ]; then
      compopt -o filenames 2>/dev/null
      line=\${COMP_WORDS[COMP_CWORD]}
      mapfile -t COMPREPLY < <(compgen -f -- "\${line#=}")
      return
    fi
    line=\${line%%$'\\t'*}
    [ "\${line: -1}" != = ] || compopt -o nospace 2>/dev/null
    COMPREPLY+=("$line")
  done
}
complete -F _k8contivnet k8contivnet
`;

const ZSH = `#compdef k8contivnet
# Completion of k8contivnet for zsh.
_k8contivnet() {
  local line value
  local -a lines values texts
  lines=("\${(@f)$(k8contivnet ${COMPLETE} "\${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
  compset -P '--[a-z-]##='
  for line in "\${lines[@]}"; do
    [[ -n $line ]] || continue
    if [[ $line == "${FILES_LINE}" ]]; then
      _files
      return
    fi
    value=\${line%%$'\\t'*}
    values+=("$value")
    texts+=("\${line/$'\\t'/  -- }")
  done
  compadd -l -d texts -a values
}
if [[ "\${funcstack[1]}" == _k8contivnet ]]; then
  _k8contivnet "$@"
else
  compdef _k8contivnet k8contivnet
fi
`;

const FISH = `# Completion of k8contivnet for fish.
function __k8contivnet_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l option (string match -r -- '^--[a-z-]+=' "$typed")
    for line in (k8contivnet ${COMPLETE} $words[2..-1] "$typed" 2>/dev/null </dev/null)
        if test "$line" = "${FILES_LINE}"
            __fish_complete_path (string replace -r -- '^--[a-z-]+=' '' "$typed")
        else
            printf '%s%s\\n' "$option" "$line"
        end
    end
end
complete -c k8contivnet -f -a '(__k8contivnet_complete)'
`;

/** The scripts by shell. */
export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = {
  ...{ bash: BASH, zsh: ZSH, fish: FISH },
};
