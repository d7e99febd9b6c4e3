import type { CompletionNode } from './command-tree.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The script that the shell reads to complete `synscope`. */
export function completionScript(shell: Shell, nodes: readonly CompletionNode[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(nodes);
    case 'zsh':
      return zshScript(nodes);
    case 'fish':
      return fishScript(nodes);
  }
}

/** The paths below the program, as the patterns of a `case`. */
function pathPatterns(nodes: readonly CompletionNode[]): string {
  return nodes
    .filter(({ path }) => path !== '')
    .map(({ path }) => quoted(path))
    .join('|');
}

const wordsOf = ({ words }: CompletionNode) => words.map(({ word }) => word).join(' ');

function bashScript(nodes: readonly CompletionNode[]): string {
  const cases = nodes.map((node) => `    ${quoted(node.path)}) words=${quoted(wordsOf(node))} ;;`);
  return `# eval "$(synscope completion bash)", or as a file in /etc/bash_completion.d
_synscope() {
  local path='' next word words='' cur=\${COMP_WORDS[COMP_CWORD]}
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
    ${pathPatterns(nodes)}) path=$next ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _synscope synscope
`;
}

function zshScript(nodes: readonly CompletionNode[]): string {
  const cases = nodes.map((node) => {
    const words = node.words.map(({ word, description }) => quoted(`${word}:${description}`));
    return `    ${quoted(node.path)}) words_here=(${words.join(' ')}) ;;`;
  });
  return `#compdef synscope
# eval "$(synscope completion zsh)" after compinit, or as a file _synscope in a folder of $fpath
_synscope() {
  local here='' next word
  local -a words_here
  for word in "\${(@)words[2,CURRENT-1]}"; do
    next="\${here:+$here }$word"
    case "$next" in
    ${pathPatterns(nodes)}) here=$next ;;
    esac
  done
  case "$here" in
${cases.join('\n')}
  esac
  _describe synscope words_here || _files
}
if [ "$funcstack[1]" = _synscope ]; then _synscope "$@"; else compdef _synscope synscope; fi
`;
}

function fishScript(nodes: readonly CompletionNode[]): string {
  const lines = nodes.flatMap(({ path, words }) =>
    words.map(({ word, description }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${quoted(word)}`;
      return `complete -c synscope -n '__synscope_at ${path && quoted(path).replaceAll("'", '"')}' ${what} -d ${fishQuoted(description)}`;
    }),
  );
  return `# synscope completion fish > ~/.config/fish/completions/synscope.fish
function __synscope_at
  set -l here
  for word in (commandline -opc)[2..-1]
    set -l next (string join ' ' $here $word)
    switch $next
      case ${nodes
        .filter(({ path }) => path !== '')
        .map(({ path }) => quoted(path))
        .join(' ')}
        set here $next
    end
  end
  test "$here" = "$argv[1]"
end
${lines.join('\n')}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
