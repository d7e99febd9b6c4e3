import type { Command } from 'commander';

/** What may be typed after one command: `path` is the words before, empty for the program itself. */
export interface CompletionNode {
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly description: string }[];
}

/** One node for each command, from the commands themselves, so that completion cannot fall behind them. */
export function completionNodes(command: Command, path: readonly string[] = []): CompletionNode[] {
  const subcommands = command.commands.filter((each) => each.name() !== 'help');
  // Options of the command that runs where none is named, too: `synscope dns --since`.
  const implied = subcommands.find((each) => Reflect.get(command, '_defaultCommandName') === each.name());
  const options = [...command.options, ...(implied?.options ?? [])];
  const words = [
    ...subcommands.map((each) => ({ word: each.name(), description: each.description() })),
    ...options.map((option) => ({
      word: option.long ?? option.short ?? '',
      description: option.description,
    })),
    { word: '--help', description: 'how it is used' },
  ];
  return [
    { path: path.join(' '), words },
    ...subcommands.flatMap((each) => completionNodes(each, [...path, each.name()])),
  ];
}
