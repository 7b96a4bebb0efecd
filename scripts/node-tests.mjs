// Runs node:test files three at a time (they wait for most of theirs), prints them as they go, and leaves the counts for
// scripts/test.
//
//   node scripts/node-tests.mjs COUNTS-FILE TEST-FILE...
//
// `node --test` itself cannot be told how many files to run at once before node 20, and the
// text that it prints differs from version to version; the events do not.
import { writeFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

// Those that take the longest, first: none of them is to run alone at the end.
const long = ['stay-out', 'traps', 'nemesis', 'failover', 'tombstones', 'awkward-servers', 'crash', 'operator-rotation', 'no-cut',
  'prefer-wait', 'signing-keys', 'convergence', 'quarantine', 'delete-streams', 'templates', 'delete', 'exports', 'nats-down'];

const rank = (file) => {
  const at = long.indexOf(basename(file, '.test.mjs'));
  return at < 0 ? long.length : at;
};

const [countsFile, ...names] = process.argv.slice(2);
const files = names.map((name) => resolve(name)).sort((a, b) => rank(a) - rank(b));
const counts = { passed: 0, failed: 0, skipped: 0 };

const count = (outcome) => (event) => {
  // A describe() is not a test, nor is the file that some versions report around its tests.
  // They fail when a test in them failed, which is counted already, or by themselves.
  const isGroup = event.details?.type === 'suite' || files.includes(resolve(event.name));
  if (isGroup && (outcome === 'passed' || event.details?.error?.failureType === 'subtestsFailed')) return;
  const unproven = event.skip !== undefined || event.todo !== undefined;
  counts[unproven ? 'skipped' : outcome] += 1;
};

const events = run({ files, concurrency: 3, timeout: 300_000 });
events.on('test:pass', count('passed'));
events.on('test:fail', count('failed'));
events.on('end', () => {
  writeFileSync(countsFile, `${counts.passed} ${counts.failed} ${counts.skipped}\n`);
  process.exitCode = counts.failed > 0 ? 1 : 0;
});
events.compose(new spec()).pipe(process.stdout);
