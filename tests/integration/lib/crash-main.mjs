// scripts/crash-rounds: node crash-main.mjs ROUNDS [SEED]
import { chooseSeed, crashRounds } from './crash.mjs';

const [rounds, text] = process.argv.slice(2);
const seed = chooseSeed(text || undefined);
const start = performance.now();
console.log(`seed ${seed}`);
try {
  const total = await crashRounds({ rounds: Number(rounds), seed, report: console.log });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(`${rounds} rounds in ${seconds} s, seed ${seed}: all ${total.acknowledged} acknowledged writes were there; `
    + `${total.settled} more had been made and not yet acknowledged; killed ${total.starts} times more while starting; `
    + `the server has the newest JWT of all ${total.accounts} accounts`);
} catch (error) {
  console.error(error.stack);
  console.error(error.message);
  process.exit(1);
}
