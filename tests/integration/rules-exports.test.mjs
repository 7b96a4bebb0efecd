// What exports and imports must not say is refused before anything is written, with the field and the reason.
import { inWorld, refuses } from './lib/rules.mjs';
import * as rules from './lib/rules-exports.mjs';
import { id } from './lib/rules-fields.mjs';

const addAccount = (world, name, fields) => world.make('nats_accounts', { id: id(name), name, ...fields });
const addExport = (world, account, name, fields) =>
  world.make('nats_account_exports', { id: id(name), account_id: id(account), name, type: 'stream', ...fields });
const addImport = (world, account, exporter, name, fields) =>
  world.make('nats_account_imports', { id: id(name), account_id: id(account), account: world.keys[id(exporter)], name, type: 'stream', ...fields });

// ---- exports --------------------------------------------------------------------------

async function fillExports(world) {
  for (const name of ['exporter', 'importer', 'other']) await addAccount(world, name);
  await addAccount(world, 'strict', { allow_wildcard_exports: false });
  await addAccount(world, 'full', { max_exports: 1 });
  await addAccount(world, 'closed', { max_exports: 0 });
  await addExport(world, 'exporter', 'orders', { subject: 'orders.*.new' });
  await addExport(world, 'exporter', 'time', { subject: 'time.>', type: 'service' });
  await addExport(world, 'exporter', 'timestream', { subject: 'time.stream' });
  await addExport(world, 'exporter', 'plain', { subject: 'plain' });
  await addExport(world, 'exporter', 'asked', { subject: 'asked', type: 'service' });
  await addExport(world, 'exporter', 'answers', { subject: 'answers', type: 'service', response_type: 'Stream' });
  await addExport(world, 'exporter', 'positioned', { subject: 'mine.*.>', account_token_position: 2 });
  await addExport(world, 'strict', 'strictone', { subject: 'strict.one' });
  await addExport(world, 'full', 'fullone', { subject: 'full.one' });
  await addImport(world, 'importer', 'exporter', 'imported', { subject: 'orders.eu.new' });
}

inWorld('exports', fillExports, (world) => {
  const stream = { collection: 'nats_account_exports', create: { account_id: id('exporter'), name: 'fresh', subject: 'fresh', type: 'stream' }, update: id('plain') };
  refuses(world, stream, [...rules.exportKinds, ...rules.streams, ...rules.positions, ...rules.overlaps, ...rules.limits, ...rules.imported]);
  refuses(world, { ...stream, create: { ...stream.create, type: 'service' }, update: id('asked') }, rules.services);
});

// ---- imports --------------------------------------------------------------------------

async function fillImports(world) {
  for (const name of ['exporter', 'importer', 'other', 'suspended']) await addAccount(world, name);
  await addAccount(world, 'full', { max_imports: 1 });
  await addExport(world, 'exporter', 'orders', { subject: 'orders.*.new' });
  await addExport(world, 'exporter', 'wide', { subject: 'wide.>' });
  await addExport(world, 'exporter', 'rest', { subject: 'rest.>' });
  await addExport(world, 'exporter', 'positioned', { subject: 'mine.*.>', account_token_position: 2 });
  await addExport(world, 'exporter', 'time', { subject: 'time.>', type: 'service' });
  await addExport(world, 'exporter', 'zone', { subject: 'zone.>', type: 'service' });
  await addExport(world, 'exporter', 'clock', { subject: 'clock.>', type: 'service' });
  const revoked = await addExport(world, 'exporter', 'revoked', { subject: 'revoked', token_req: true });
  await addExport(world, 'suspended', 'news', { subject: 'orders.>' });
  await addImport(world, 'importer', 'exporter', 'eu', { subject: 'orders.eu.new' });
  await addImport(world, 'importer', 'exporter', 'us', { subject: 'orders.us.new' });
  await addImport(world, 'importer', 'exporter', 'utc', { subject: 'time.utc', type: 'service' });
  await addImport(world, 'importer', 'exporter', 'asked', { subject: 'time.asked', type: 'service' });
  await addImport(world, 'importer', 'exporter', 'zones', { subject: 'zone.*', local_subject: 'my.*', type: 'service' });
  await addImport(world, 'full', 'exporter', 'fullone', { subject: 'orders.eu.new' });
  await world.change('nats_accounts', id('suspended'), { active: false });
  await world.post(`/api/v1/exports/${revoked.id}/revoke`, { account: '*' });
}

inWorld('imports', fillImports, (world) => {
  const stream = {
    collection: 'nats_account_imports',
    create: ({ keys }) => ({ account_id: id('importer'), account: keys[id('exporter')], name: 'fresh', subject: 'orders.fresh.new', type: 'stream' }),
    update: id('eu'),
  };
  refuses(world, stream, [...rules.importKinds, ...rules.exporters, ...rules.offers, ...rules.terms, ...rules.locals, ...rules.tokens]);
  const service = { ...stream, create: (of) => ({ ...stream.create(of), subject: 'time.fresh', type: 'service' }), update: id('asked') };
  refuses(world, service, rules.serviceOverlaps);
});

async function fillCycles(world) {
  for (const name of ['a', 'b', 'c']) {
    await addAccount(world, name);
    await addExport(world, name, `${name}ring`, { subject: 'ring', type: 'service' });
    await addExport(world, name, `${name}loop`, { subject: `loop.${name}`, type: 'service' });
    await addExport(world, name, `${name}flow`, { subject: 'flow' });
  }
  for (const name of ['spare', 'spent']) await addExport(world, 'b', name, { subject: name, type: 'service' });
  for (const [to, from] of [['b', 'a'], ['c', 'b']]) {
    await addImport(world, to, from, `${to}ring`, { subject: 'ring', type: 'service' });
    await addImport(world, to, from, `${to}loop`, { subject: `loop.${from}`, local_subject: `loop.${to}`, type: 'service' });
    await addImport(world, to, from, `${to}flow`, { subject: 'flow' });
  }
  await addImport(world, 'a', 'b', 'spent', { subject: 'spent', type: 'service' });
}

inWorld('imports of imports', fillCycles, (world) => {
  const create = ({ keys }) => ({ account_id: id('a'), account: keys[id('b')], name: 'fresh', subject: 'spare', type: 'service' });
  refuses(world, { collection: 'nats_account_imports', create, update: id('spent') }, rules.cycles);
});
