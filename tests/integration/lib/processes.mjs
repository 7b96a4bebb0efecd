// Child processes that never outlive the test file, and waiting with a deadline.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** Starts a process; .output collects what it writes, .ended resolves to {code, signal}. */
export function launch(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const output = { stdout: '', stderr: '' };
  running.add(child);
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (data) => { output[stream] += data; });
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal })).finally(() => running.delete(child));
  return { child, output, ended };
}

/** What look() gives as soon as that is true; fails after the deadline, with the last error if it threw. */
export async function until(what, look, { deadline = 10_000, every = 10 } = {}) {
  const end = performance.now() + deadline;
  for (;;) {
    let found, problem;
    try {
      found = await look();
    } catch (error) {
      problem = error;
    }
    if (found) return found;
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${deadline} ms${problem ? ` (${problem.message})` : ''}`);
    }
    await new Promise((resolve) => { setTimeout(resolve, every); });
  }
}
