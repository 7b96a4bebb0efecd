// What an account must not say is refused before anything is written, with the field and the reason.
import { inWorld, path, refuses } from './lib/rules.mjs';
import * as rules from './lib/rules-accounts.mjs';
import { id } from './lib/rules-fields.mjs';

async function fill(world) {
  const make = (name, fields) => world.make('nats_accounts', { id: id(name), name, ...fields });
  await make('acme');
  await make('other');
  const { body } = await world.daemon.api('GET', path('nats_accounts'));
  world.system = body.items.find(({ name }) => name !== 'acme' && name !== 'other').id;
  await make('tiered', { jetstream_tiers: { R1: { disk_storage: 1024 } } });
  await make('callout', { callout_auth_users: [rules.userKey()], callout_allowed_accounts: ['*'] });
  world.gone = (await make('rotated')).signing_public_key;
  await world.change('nats_accounts', id('rotated'), { rotate_keys: true });
}

/** An account with users, roles, exports and imports. */
async function fillTogether(world) {
  const make = (name, fields) => world.make('nats_accounts', { id: id(name), name, ...fields });
  await make('templated', { tags: ['site:berlin'] });
  await world.make('nats_roles', {
    id: id('fed'), name: 'fed', publish_permissions: ['{{account-name()}}.>'], publish_deny_permissions: ['site.{{account-tag(site)}}'],
  });
  await world.make('nats_users', { nats_username: 'user', account_id: id('templated'), role_id: id('fed') });
}

/** Accounts that export to each other. */
async function fillShared(world) {
  const make = (name, fields) => world.make('nats_accounts', { id: id(name), name, ...fields });
  const exporter = await make('exporter');
  await make('importer');
  await world.make('nats_account_exports', { account_id: id('exporter'), name: 'orders', subject: 'orders.*', type: 'stream' });
  await world.make('nats_account_exports', { account_id: id('exporter'), name: 'time', subject: 'time', type: 'service' });
  await world.make('nats_account_imports', {
    account_id: id('importer'), name: 'orders', subject: 'orders.new', account: exporter.public_key, type: 'stream',
  });
}

const accounts = { collection: 'nats_accounts', create: { name: 'fresh' }, update: id('acme') };

inWorld('an account by itself', fill, (world) => {
  refuses(world, accounts, [
    ...rules.kinds, ...rules.words, ...rules.subjects, ...rules.jetstream, ...rules.mappings, ...rules.callout, ...rules.keys,
  ]);
  refuses(world, { ...accounts, update: ({ system }) => system }, rules.system);
});

inWorld('an account with users', fillTogether, (world) => refuses(world, accounts, rules.together));

inWorld('an account with exports and imports', fillShared, (world) => refuses(world, accounts, rules.shared));
