// What shells load to complete the program's words: each asks the hidden command __complete, and evaluates nothing that
// was typed or answered. Pure.

/** The hidden command, which the scripts call. */
export const COMPLETE = "__complete";
/** Line of its answer where the shell completes names of files. */
export const FILES_LINE = ":files";

const BASH = `# Completion of k8contivnet for bash.
_k8contivnet() {
  local line
  local -a lines face=()
  COMPREPLY=()
  case \${COMP_WORDS[0]##*/} in netplugin | netdcli) face=("\${COMP_WORDS[0]##*/}") ;; esac
  mapfile -t lines < <(k8contivnet ${COMPLETE} "\${face[@]}" "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
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
complete -F _k8contivnet k8contivnet netplugin netdcli
`;

const ZSH = `#compdef k8contivnet netplugin netdcli
# Completion of k8contivnet for zsh.
_k8contivnet() {
  local line value
  local -a lines values texts face
  case \${words[1]:t} in netplugin|netdcli) face=("\${words[1]:t}") ;; esac
  lines=("\${(@f)$(k8contivnet ${COMPLETE} $face "\${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
  compset -P '-[a-z-]##='
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
  compdef _k8contivnet k8contivnet netplugin netdcli
fi
`;

const FISH = `# Completion of k8contivnet for fish.
function __k8contivnet_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l face (string match -r -- '(?:^|/)(netplugin|netdcli)$' "$words[1]")[2]
    set -l option (string match -r -- '^-[a-z-]+=' "$typed")
    for line in (k8contivnet ${COMPLETE} $face $words[2..-1] "$typed" 2>/dev/null </dev/null)
        if test "$line" = "${FILES_LINE}"
            __fish_complete_path (string replace -r -- '^-[a-z-]+=' '' "$typed")
        else
            printf '%s%s\\n' "$option" "$line"
        end
    end
end
for name in k8contivnet netplugin netdcli
    complete -c $name -f -a '(__k8contivnet_complete)'
end
`;

/** The scripts by shell. */
export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = {
  ...{ bash: BASH, zsh: ZSH, fish: FISH },
};
