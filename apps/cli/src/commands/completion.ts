import { Argument, type Command } from 'commander';
import type { CommandRun } from '../command-run.js';
import { completionNodes } from '../completion/command-tree.js';
import { completionScript, SHELLS, type Shell } from '../completion/shells.js';
import { addExample } from './flags.js';

export function addCompletion(program: Command, run: CommandRun): void {
  const command = program
    .command('completion')
    .description('print a script by which a shell completes synscope')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS));
  addExample(command, 'eval "$(synscope completion bash)"');
  command.action((shell: Shell) => run.print(completionScript(shell, completionNodes(program))));
}
