// A sample of scripts/nemesis: after each schedule of faults, all servers are equal to the database.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Faults } from './lib/faults.mjs';
import { chooseSeed, drawSchedule, report, runSchedule, summary } from './lib/nemesis.mjs';
import { NetworkStage } from './lib/network.mjs';
import { Observer } from './lib/observer.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

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

test('a seed draws the same schedule again, and another one another', () => {
  const options = { nodes: 3, duration: 20_000 };
  assert.deepEqual(drawSchedule(7, options), drawSchedule(7, options));
  assert.notDeepEqual(drawSchedule(7, options), drawSchedule(8, options));
});

onStage('the observer', { type: NetworkStage }, (stage, it) => {
  it('sees a server that goes back behind the back of natsid, and that natsid calls it proven', async () => {
    const [server] = stage.servers;
    const account = await stage.createAccount('acme');
    const { jwt: old } = await stage.proven(account);
    await stage.change(account, { max_connections: 5 });
    const { jwt, public_key: key } = await stage.proven(account);
    const observer = new Observer(stage, new Faults(stage, {}));
    await observer.start();
    await until('it looked', () => observer.looks > 3 && observer.compared > 3);
    assert.deepEqual(observer.violations, []);
    await writeFile(join(server.store, `${key}.jwt`), old);
    await until('it saw both', () => new Set(observer.violations.map(({ what }) => what)).size === 2);
    await writeFile(join(server.store, `${key}.jwt`), jwt);
    await observer.stop();
  });
});
