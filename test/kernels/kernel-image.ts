import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const cache = fileURLToPath(new URL('../../.build/kernels', import.meta.url));

/** Debian's suites that carry the series; old versions vanish from them, so the newest is looked up each time. */
const SUITES = ['bullseye-security', 'bookworm-security'];

/** From the package debian-archive-keyring, which apt itself depends on. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * An apt of our own, so that the host's package lists and status stay as they are. Its addresses are those of the host's own security
 * archive.
 */
async function privateApt(): Promise<NodeJS.ProcessEnv> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE)']);
  const security = stdout.split('\n').find((line) => line.endsWith('-security'));
  if (security === undefined) throw new Error('this host’s apt has no security archive to take kernels from');
  const [uri] = security.split(' ');
  const root = join(cache, 'apt');
  for (const folder of ['lists/partial', 'state', 'archives/partial', 'parts'])
    await mkdir(join(root, folder), { recursive: true });
  await writeFile(join(root, 'status'), '');
  await writeFile(
    join(root, 'sources.list'),
    SUITES.map((suite) => `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`).join(''),
  );
  await writeFile(
    join(root, 'apt.conf'),
    `Dir::Etc::sourcelist "${root}/sources.list"; Dir::Etc::sourceparts "${root}/parts"; Dir::Etc::parts "${root}/parts";
Dir::Etc::preferencesparts "${root}/parts"; Dir::State "${root}/state"; Dir::State::status "${root}/status";
Dir::State::lists "${root}/lists"; Dir::Cache "${root}"; Dir::Cache::archives "${root}/archives"; APT::Sandbox::User "root";\n`,
  );
  return { ...process.env, APT_CONFIG: join(root, 'apt.conf') };
}

/** The newest cloud kernel of each series (“5.10”), unpacked: the path of its bzImage. */
export async function kernelImages(series: readonly string[]): Promise<Map<string, string>> {
  const env = await privateApt();
  await run('apt-get', ['update'], { env });
  const { stdout } = await run('apt-cache', ['pkgnames', 'linux-image-'], { env });
  const images = new Map<string, string>();
  for (const name of series) {
    const pattern = new RegExp(`^linux-image-${name.replace('.', '\\.')}\\.\\d+.*-cloud-amd64$`);
    const newest = stdout
      .split('\n')
      .filter((line) => pattern.test(line) && !line.includes('~') && !/deb11\.\d+-cloud/.test(line))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .at(-1);
    if (newest === undefined) throw new Error(`no kernel of series ${name} in ${SUITES.join(', ')}`);
    images.set(name, await unpack(newest, env));
  }
  return images;
}

async function unpack(name: string, env: NodeJS.ProcessEnv): Promise<string> {
  const folder = join(cache, name);
  const boot = join(folder, 'boot');
  const image = (entries: readonly string[]) => entries.find((entry) => entry.startsWith('vmlinuz-'));
  const present = image(await readdir(boot).catch(() => []));
  if (present !== undefined) return join(boot, present);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run('apt-get', ['download', name], { env, cwd: folder });
  const deb = (await readdir(folder)).find((entry) => entry.endsWith('.deb'));
  await run('dpkg', ['-x', join(folder, deb ?? ''), folder]);
  await rm(join(folder, deb ?? ''));
  const unpacked = image(await readdir(boot));
  if (unpacked === undefined) throw new Error(`${name} holds no vmlinuz`);
  return join(boot, unpacked);
}
