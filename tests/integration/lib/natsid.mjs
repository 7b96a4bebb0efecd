// Starts the daemon on a data directory and a port of its own, and talks to it.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { launch, root, until } from './processes.mjs';

export const binary = process.env.NATSID_BIN ?? join(root, 'build/release/natsid');
export const superuser = { email: 'root@example.org', password: 'correct horse battery' };

// No server listens there: what these tests look at must not need one.
const nowhere = 'nats://127.0.0.1:1';

/** Runs a command to its end: {code, stdout, stderr}. */
export async function natsid(args, { input = '', env = {} } = {}) {
  const { child, ended, output } = launch(binary, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.end(input);
  const { code } = await ended;
  return { code, ...output };
}

export async function must(args, options) {
  const result = await natsid(args, options);
  if (result.code !== 0) throw new Error(`natsid ${args.join(' ')}: ${result.code}\n${result.stderr}`);
  return result;
}

/** Makes a data directory with an operator and the superuser. */
export async function initDataDir(dir) {
  await must(['init', '--data', dir]);
  await must(['superuser', 'upsert', superuser.email, '-', '--data', dir], { input: `${superuser.password}\n` });
}

/** Fails unless the database is sound; nobody may have it open. */
export async function checkDatabase(dir) {
  const pragmas = 'PRAGMA integrity_check; PRAGMA foreign_key_check;';
  const { stdout } = await promisify(execFile)('sqlite3', [join(dir, 'natsid.db'), pragmas]);
  if (stdout !== 'ok\n') throw new Error(`the database in ${dir} is damaged: ${stdout}`);
}

const parsed = (type, text) => (/\bjson\b/.test(type ?? '') && text !== '' ? JSON.parse(text) : null);

/** Asks once and waits no longer than the deadline; body may be an object (JSON), text or bytes. */
export async function request(url, method, path, body, { token, headers = {}, deadline = 20_000 } = {}) {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(token ? { Authorization: token } : {}),
      ...headers,
    },
    body: body === undefined || isRaw ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(deadline),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(response.headers.get('content-type'), text) };
}

/** Asks without a token from one of this machine's addresses (127.x.y.z), which natsid throttles by itself: {status, headers, text, body}. */
export function requestFrom(localAddress, url, method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const asked = http.request(url + path, { method, localAddress, headers, agent: false, timeout: 20_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (data) => { text += data; });
      response.on('error', reject).on('end', () => resolve({
        status: response.statusCode, headers: new Headers(response.headers), text, body: parsed(response.headers['content-type'], text),
      }));
    });
    asked.on('timeout', () => asked.destroy(new Error(`${method} ${path} was not answered`)));
    asked.on('error', reject).end(JSON.stringify(body));
  });
}

/**
 * A running daemon with a superuser who is logged in. api() asks with that token unless told
 * another one ({token: null} for none).
 */
export async function startNatsid({ args = [], dataDir, nats = nowhere } = {}) {
  const own = dataDir === undefined;
  const dir = dataDir ?? (await mkdtemp(join(tmpdir(), 'natsid-test-')));
  if (own) await initDataDir(dir);
  const { child, ended, output } = launch(binary, [
    'serve', '--data', dir, '--listen', '127.0.0.1:0', '--nats', nats, ...args,
  ]);
  const log = () => output.stderr;
  const [, address] = await until('natsid listens', () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}\n${log()}`);
    return /listening address=(\S+)/.exec(log());
  }, { deadline: 20_000 });
  const url = `http://${address}`;

  const end = (signal) => {
    child.kill(signal);
    return ended;
  };
  const login = await request(url, 'POST', '/api/collections/_superusers/auth-with-password', {
    identity: superuser.email,
    password: superuser.password,
  });
  if (login.status !== 200) {
    await end('SIGKILL');
    throw new Error(`login: ${login.status} ${login.text}`);
  }
  const token = login.body.token;
  return {
    url,
    dataDir: dir,
    token,
    log,
    api: (method, path, body, options = {}) => request(url, method, path, body, { token, ...options }),
    kill: () => end('SIGKILL'),
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    /** Ends it, which must go well and leave a sound database; removes the data directory if it was made here, unless keep. */
    stop: async ({ keep = false } = {}) => {
      const { code, signal } = await end('SIGTERM');
      if (code !== 0) throw new Error(`natsid ended with ${code ?? signal}\n${log()}`);
      await checkDatabase(dir);
      if (own && !keep) await rm(dir, { recursive: true, force: true });
    },
  };
}
