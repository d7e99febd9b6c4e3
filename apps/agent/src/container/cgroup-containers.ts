import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { containerIdOfPath } from './container-id.js';

const CACHE_ENTRIES = 4096;
/** How long "no such cgroup" is believed. */
const MISS_LIFE_MS = 30_000;
/** A walk over all cgroups costs about 5 µs each; not more often than this. */
const WALK_INTERVAL_MS = 5_000;
const WALK_MAX_CGROUPS = 20_000;

interface CacheEntry {
  readonly containerId: string | null;
  /** Undefined: for good. A cgroup's id is never used again while the machine runs. */
  readonly expiresAtMs: number | undefined;
}

/**
 * Finds the container that a cgroup belongs to. The id of a cgroup is the inode number of its folder; the way from the id to the folder is
 * the pid (cheap, while the process lives) or else a walk over all folders. The least recently used answers are forgotten.
 */
export class CgroupContainers {
  private readonly cache = new Map<number, CacheEntry>();
  private walkedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    private readonly cgroupRoot: string = cgroup2Root(),
    private readonly procRoot: string = '/proc',
  ) {}

  readonly containerOf = (cgroupId: number, pid: number): string | null => {
    const held = this.cache.get(cgroupId);
    if (held !== undefined && (held.expiresAtMs ?? Number.POSITIVE_INFINITY) > this.clock.monotonicMs()) {
      this.cache.delete(cgroupId);
      this.cache.set(cgroupId, held);
      return held.containerId;
    }
    const path = this.pathByPid(cgroupId, pid) ?? this.pathByWalk(cgroupId);
    const containerId = path === undefined ? null : containerIdOfPath(path);
    this.remember(cgroupId, containerId, path === undefined);
    return containerId;
  };

  private pathByPid(cgroupId: number, pid: number): string | undefined {
    if (pid === 0) return undefined;
    try {
      const line = readFileSync(join(this.procRoot, String(pid), 'cgroup'), 'utf8')
        .split('\n')
        .find((entry) => entry.startsWith('0::'));
      const path = line?.slice('0::'.length);
      // The process may be another one by now, or have moved: only the inode proves it.
      return path !== undefined && inode(join(this.cgroupRoot, path)) === cgroupId ? path : undefined;
    } catch {
      return undefined;
    }
  }

  private pathByWalk(cgroupId: number): string | undefined {
    const now = this.clock.monotonicMs();
    if (now - this.walkedAtMs < WALK_INTERVAL_MS) return undefined;
    this.walkedAtMs = now;
    const folders = [''];
    for (let i = 0; i < folders.length && i < WALK_MAX_CGROUPS; i++) {
      const folder = folders[i] as string;
      if (inode(join(this.cgroupRoot, folder)) === cgroupId) return folder;
      for (const child of subfolders(join(this.cgroupRoot, folder))) folders.push(`${folder}/${child}`);
    }
    return undefined;
  }

  private remember(cgroupId: number, containerId: string | null, missed: boolean): void {
    this.cache.delete(cgroupId);
    if (this.cache.size >= CACHE_ENTRIES) {
      const oldest = this.cache.keys().next();
      if (!oldest.done) this.cache.delete(oldest.value);
    }
    this.cache.set(cgroupId, {
      containerId,
      expiresAtMs: missed ? this.clock.monotonicMs() + MISS_LIFE_MS : undefined,
    });
  }
}

/** Where cgroup v2 is mounted: alone, or beside v1 as systemd's hybrid mode has it. */
export function cgroup2Root(): string {
  const hybrid = '/sys/fs/cgroup/unified';
  return existsSync(`${hybrid}/cgroup.controllers`) ? hybrid : '/sys/fs/cgroup';
}

function inode(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}

function subfolders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
