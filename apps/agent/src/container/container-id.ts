/**
 * The id of a container within one segment of a cgroup path: 64 hexadecimal digits, bare (cgroupfs driver) or as a systemd scope with the
 * runtime's name in front (docker, containerd's CRI plugin, CRI-O, Podman), also behind a slice ("kubepods-….slice:cri-containerd:<id>").
 * The scopes of the monitors (conmon) are left out: they are not in the container.
 */
const SEGMENT =
  /^(?:.*:)?(?:(?:docker|cri-containerd|containerd|nerdctl|crio|libpod)[-:])?([0-9a-f]{64})(?:\.scope)?$/;

/** The innermost container of a cgroup path; null if there is none. */
export function containerIdOfPath(path: string): string | null {
  const segments = path.split('/');
  for (let i = segments.length - 1; i >= 0; i--) {
    const id = SEGMENT.exec(segments[i] as string)?.[1];
    if (id !== undefined) return id;
  }
  return null;
}
