// scripts/nemesis: node nemesis-main.mjs JOBS SEED GROUP...; a GROUP is SCHEDULES:SERVER:NODES, an empty SEED is one of the
// moment.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { chooseSeed, replay, report, runSchedule, summary } from './nemesis.mjs';
import { serverVersion } from './nats.mjs';
import { root } from './processes.mjs';

const [jobs, seedText, ...texts] = process.argv.slice(2);
const first = chooseSeed(seedText || undefined);
const groups = texts.map((text) => {
  const [count, which, nodes] = text.split(':');
  return { count: Number(count), which, nodes: Number(nodes), passed: 0 };
});
const schedules = groups.flatMap((group) => Array(group.count).fill(group))
  .map((group, i) => ({ group, seed: (first + i) % 2 ** 32 }));
const failed = [];

/** Leaves what was done and what all wrote in a directory, and gives its name. */
async function keep(result) {
  const directory = join(root, 'build/nemesis', `${result.which}-${result.nodes}-${result.seed}`);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'report'), `${report(result)}\n${replay(result)}\n`);
  for (const text of result.logs.split(/^== /m).slice(1)) {
    const [name] = text.split('\n', 1);
    await writeFile(join(directory, `${name}.log`), text.slice(name.length + 1));
  }
  return relative(process.cwd(), directory);
}

async function run({ group, seed }) {
  const result = await runSchedule({ seed, which: group.which, nodes: group.nodes });
  if (result.problems.length === 0) {
    group.passed += 1;
    console.log(summary(result));
    return;
  }
  failed.push(result);
  console.log(`FAILED: ${report(result)}\nlogs: ${await keep(result)}\nagain: ${replay(result)}`);
}

async function work() {
  for (let next = schedules.shift(); next; next = schedules.shift()) await run(next);
}

const start = performance.now();
const minutes = () => ((performance.now() - start) / 60_000).toFixed(1);
for (const which of new Set(groups.map((group) => group.which))) console.log(serverVersion(which));
console.log(`${schedules.length} schedules of the seeds ${first} to ${schedules.at(-1).seed}, ${jobs} at a time`);
await Promise.all(Array.from({ length: Number(jobs) }, work));
for (const { count, which, nodes, passed } of groups) {
  console.log(`${which} server, ${nodes} node${nodes > 1 ? 's' : ''}: ${passed} of ${count} schedules went well`);
}
for (const result of failed) console.log(`failed, again: ${replay(result)}`);
console.log(`${groups.reduce((sum, { count }) => sum + count, 0)} schedules in ${minutes()} minutes, ${failed.length} failed`);
process.exit(failed.length > 0 ? 1 : 0);
