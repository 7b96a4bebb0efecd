// Real nats-servers, one or a cluster, on ports that survive a restart.
import { execFileSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { launch, root, until } from './processes.mjs';

/** The binary to use: 'newest' or 'oldest'. */
export function serverBinary(which) {
  const given = process.env[`NATS_SERVER_${which.toUpperCase()}`];
  return given ?? execFileSync(join(root, 'scripts/nats-server'), [`--${which}`], { encoding: 'utf8' }).trim();
}

export const serverVersion = (which) => execFileSync(serverBinary(which), ['--version'], { encoding: 'utf8' }).trim();

/** By freePort: nobody listens on them yet. */
const given = new Set();

/** Below the ports that the kernel gives to connections, so that nobody takes it while its server is down. */
export async function freePort() {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    if (given.has(port)) continue;
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => { probe.close(resolve); });
    if (free) {
      given.add(port);
      return port;
    }
  }
}

/** The configuration with a resolver that keeps the accounts of its clients only. */
export const withCache = (configuration) => (
  configuration.replace('type: full', 'type: cache').replace(/^\t(allow_delete|interval): .*$/gm, ''));

export class NatsServer {
  #process = null;
  #log = '';

  /** configuration: the text of the file, written to `directory` as NAME.conf; leafPort: where it takes leaf nodes. */
  constructor({ which, name, port, leafPort, directory, configuration, store }) {
    Object.assign(this, { which, name, port, leafPort, directory, configuration, store });
    this.url = `nats://127.0.0.1:${port}`;
  }

  get log() {
    return this.#log + (this.#process?.output.stderr ?? '');
  }

  async start() {
    const file = join(this.directory, `${this.name}.conf`);
    await writeFile(file, this.configuration);
    this.#process = launch(serverBinary(this.which), ['-c', file, '-a', '127.0.0.1'], { cwd: this.directory });
    const { child, output } = this.#process;
    await until(`${this.name} is ready`, () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      return output.stderr.includes('Server is ready');
    });
  }

  async stop(signal = 'SIGTERM') {
    if (!this.#process) return;
    this.#process.child.kill(signal);
    if (signal === 'SIGTERM') this.#process.child.kill('SIGCONT');
    await this.#process.ended;
    this.#log += this.#process.output.stderr;
    this.#process = null;
  }

  pause() { this.#process.child.kill('SIGSTOP'); }
  resume() { this.#process.child.kill('SIGCONT'); }

  /** Forgets all accounts; only while it is down. */
  wipe() { return rm(this.store, { recursive: true, force: true }); }

  /** The account's JWT in the directory of the server; null when there is none. */
  stored(publicKey) {
    return readFile(join(this.store, `${publicKey}.jwt`), 'utf8').catch(() => null);
  }
}
