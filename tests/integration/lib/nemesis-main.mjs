// scripts/nemesis: node nemesis-main.mjs SCHEDULES SEED SERVER NODES; an empty SEED is one of the moment.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseSeed, report, runSchedule, summary } from './nemesis.mjs';
import { serverVersion } from './nats.mjs';
import { root } from './processes.mjs';

const [schedules, seedText, which, nodes] = process.argv.slice(2);
const first = chooseSeed(seedText || undefined);
const failed = [];
console.log(serverVersion(which));
for (let i = 0; i < Number(schedules); i += 1) {
  const result = await runSchedule({ seed: (first + i) % 2 ** 32, which, nodes: Number(nodes) });
  if (result.problems.length === 0) {
    console.log(summary(result));
    continue;
  }
  failed.push(result.seed);
  const directory = join(root, 'build/nemesis');
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${result.seed}.log`);
  await writeFile(file, `${report(result)}\n${result.logs}`);
  console.log(`${report(result)}\nwhat natsid and the servers wrote: ${file}`);
}
console.log(`${schedules} schedules, ${failed.length} failed${failed.length > 0 ? `: --seed ${failed.join(', ')}` : ''}`);
process.exit(failed.length > 0 ? 1 : 0);
