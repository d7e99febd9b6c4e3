import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

function descriptors(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fdinfo`).map((entry) =>
      readFileSync(`/proc/${pid}/fdinfo/${entry}`, 'utf8'),
    );
  } catch {
    return []; // the process, or one of its descriptors, has just gone
  }
}

/** Ids of the BPF programs that a process holds. */
export function programsOf(pid: number): readonly number[] {
  const ids = descriptors(pid).flatMap((text) => /^prog_id:\s*(\d+)/m.exec(text)?.[1] ?? []);
  return [...new Set(ids.map(Number))];
}

/** Those of them that are attached by a link of that process. */
export function attachedProgramsOf(pid: number): readonly number[] {
  const ids = descriptors(pid)
    .filter((text) => /^link_id:/m.test(text))
    .flatMap((text) => /^prog_id:\s*(\d+)/m.exec(text)?.[1] ?? []);
  return [...new Set(ids.map(Number))];
}

/** Ids of all BPF programs in the kernel. */
export async function loadedPrograms(): Promise<readonly number[]> {
  const { stdout } = await run('bpftool', ['--json', 'prog', 'show'], { maxBuffer: 64 << 20 });
  return (JSON.parse(stdout) as { id: number }[]).map(({ id }) => id);
}
