import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../testing/manual-clock.js';
import { CgroupContainers, cgroup2Root } from './cgroup-containers.js';
import { containerIdOfPath } from './container-id.js';

const ID = '0123456789abcdef'.repeat(4);
const OTHER = 'fedcba9876543210'.repeat(4);

describe('the container of a cgroup path', () => {
  it.each([
    ['Docker, systemd', `/system.slice/docker-${ID}.scope`],
    ['Docker, cgroupfs', `/docker/${ID}`],
    [
      'containerd in Kubernetes',
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-${ID}.scope`,
    ],
    ['containerd behind another driver', `/kubepods-besteffort-pod1.slice:cri-containerd:${ID}`],
    ['CRI-O', `/kubepods.slice/kubepods-pod1.slice/crio-${ID}.scope/container`],
    ['cgroupfs in Kubernetes', `/kubepods/burstable/pod5d2c/${ID}`],
    ['Podman', `/machine.slice/libpod-${ID}.scope/container`],
    ['Podman without root', `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`],
    ['Docker in Docker: the inner one', `/docker/${OTHER}/docker/${ID}/init`],
  ])('is found: %s', (_runtime, path) => {
    expect(containerIdOfPath(path)).toBe(ID);
  });

  it.each([
    '/',
    '/system.slice/ssh.service',
    `/machine.slice/libpod-conmon-${ID}.scope`,
    `/crio-conmon-${ID}.scope`,
    '/docker/0123',
  ])('is none: %s', (path) => {
    expect(containerIdOfPath(path)).toBeNull();
  });
});

describe('CgroupContainers', () => {
  let root: string;
  let proc: string;
  let clock: ManualClock;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'synscope-cgroup-'));
    proc = mkdtempSync(join(tmpdir(), 'synscope-proc-'));
    clock = new ManualClock();
  });
  afterEach(() => {
    for (const folder of [root, proc]) rmSync(folder, { recursive: true, force: true });
  });

  function cgroup(path: string): number {
    mkdirSync(join(root, path), { recursive: true });
    return statSync(join(root, path)).ino;
  }
  function process(pid: number, path: string): void {
    mkdirSync(join(proc, String(pid)));
    writeFileSync(join(proc, String(pid), 'cgroup'), `12:cpu:/elsewhere\n0::${path}\n`);
  }
  const containers = () => new CgroupContainers(clock, root, proc).containerOf;

  it('goes by the pid', () => {
    const id = cgroup(`/docker/${ID}`);
    process(7, `/docker/${ID}`);
    expect(containers()(id, 7)).toBe(ID);
  });

  it('does not believe a pid that lives in another cgroup by now', () => {
    const id = cgroup(`/docker/${ID}`);
    cgroup(`/docker/${OTHER}`);
    process(7, `/docker/${OTHER}`);
    expect(containers()(id, 7)).toBe(ID);
  });

  it('finds the cgroup of a process that has ended', () => {
    const id = cgroup(`/a/b/docker-${ID}.scope`);
    expect(containers()(id, 99)).toBe(ID);
  });

  it('knows that a cgroup is no container', () => {
    expect(containers()(cgroup('/system.slice/ssh.service'), 0)).toBeNull();
  });

  it('remembers a container after its cgroup is gone', () => {
    const containerOf = containers();
    const id = cgroup(`/docker/${ID}`);
    expect(containerOf(id, 0)).toBe(ID);
    rmdirSync(join(root, 'docker', ID));
    expect(containerOf(id, 0)).toBe(ID);
  });

  it('looks for an unknown cgroup again after a while, not at every record', () => {
    const containerOf = containers();
    const id = cgroup(`/docker/${ID}`);
    expect(containerOf(id + 1_000_000, 0)).toBeNull();
    // The walk of a moment ago is not repeated at once.
    expect(containerOf(id, 0)).toBeNull();
    clock.advance(31_000);
    expect(containerOf(id, 0)).toBe(ID);
  });

  it('finds where this host has cgroup v2', () => {
    expect(statSync(join(cgroup2Root(), 'cgroup.controllers')).isFile()).toBe(true);
  });
});
