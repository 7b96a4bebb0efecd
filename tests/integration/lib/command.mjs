// natsid as a command: data directories to try it on, and a look at what it left there.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binary, natsid } from './natsid.mjs';
import { launch, until } from './processes.mjs';

/** A directory of its own for a test, gone after it. */
export async function scratch(t) {
  const directory = await mkdtemp(join(tmpdir(), 'natsid-cli-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** An initialised data directory below `directory`. */
export async function initialised(directory, name = 'data', args = []) {
  const data = join(directory, name);
  const { code, stderr } = await natsid(['init', '--data', data, ...args]);
  if (code !== 0) throw new Error(stderr);
  return data;
}

/**
 * What is in a data directory: name -> hash. Without what a look at it may come and go with: the lock, and the files that
 * SQLite keeps beside an open database.
 */
export async function contents(directory) {
  const found = {};
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((each) => !/^lock$|-(wal|shm)$/.test(each)).sort()) {
    const path = join(directory, name);
    found[name] = (await stat(path)).isFile() ? createHash('sha256').update(await readFile(path)).digest('hex') : 'directory';
  }
  return found;
}

/** natsid serve with just these arguments. listening() resolves to its URL. */
export function serve(args, options) {
  const started = launch(binary, ['serve', ...args], options);
  const { child, output, ended } = started;
  const early = ended.then(({ code }) => { throw new Error(`natsid ended with ${code}\n${output.stderr}`); });
  early.catch(() => {}); // for who waits for it to listen
  const listening = () => Promise.race([early, until('natsid listens', () => {
    const found = /listening address=(\S+)/.exec(output.stderr);
    return child.exitCode !== null || (found && `http://${found[1]}`);
  }, { deadline: 20_000 })]);
  const stop = (signal = 'SIGTERM') => {
    child.kill(signal);
    return ended;
  };
  return { ...started, listening, stop };
}

/** The operator's public key, from its JWT. */
export async function operatorOf(data, args = []) {
  const { code, stdout, stderr } = await natsid(['export', 'operator-jwt', '--data', data, ...args]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(Buffer.from(stdout.split('.')[1], 'base64url').toString());
}
