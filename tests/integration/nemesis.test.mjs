// A sample of scripts/nemesis: after each schedule of faults, all servers are equal to the database.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseSeed, report, runSchedule, summary } from './lib/nemesis.mjs';

const first = chooseSeed();

for (const [i, options] of [
  { which: 'newest', nodes: 3, duration: 14_000 },
  { which: 'oldest', nodes: 3, duration: 10_000 },
  { which: 'newest', nodes: 1, duration: 10_000 },
].entries()) {
  test(`${options.nodes} of the ${options.which} server, ${options.duration / 1000} s of faults`, { timeout: 120_000 }, async (t) => {
    const seed = first + i;
    t.diagnostic(`seed ${seed}; NEMESIS_SEED=${first} does the same again`);
    const result = await runSchedule({ seed, ...options });
    if (result.problems.length > 0) process.stdout.write(`${report(result)}\n${result.logs}`);
    assert.deepEqual(result.problems, []);
    t.diagnostic(summary(result));
  });
}
