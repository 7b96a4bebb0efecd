// What a role must not say is refused before anything is written, with the field and the reason.
import { inWorld, refuses } from './lib/rules.mjs';
import { id } from './lib/rules-fields.mjs';
import * as rules from './lib/rules-roles.mjs';

const make = (world, name, fields) => world.make('nats_roles', { id: id(name), name, ...fields });
const role = { collection: 'nats_roles', create: { name: 'fresh' }, update: id('sensor') };

async function fill(world) {
  await make(world, 'sensor');
  await make(world, 'other', { is_default: true });
}

/** Roles and a user of each, or two. */
async function fillUsers(world) {
  await make(world, 'sensor');
  await world.make('nats_accounts', { id: id('acme'), name: 'acme' });
  await world.make('nats_accounts', { id: id('blank'), name: 'an account' });
  const addUser = async (name, fields) => world.make('nats_users', { nats_username: name, account_id: id('acme'), ...fields });
  for (const name of ['dotted', 'plain', 'tagged', 'many', 'own']) await make(world, name);
  await addUser('dotted.name', { role_id: id('dotted'), account_id: id('blank') });
  await addUser('plain', { role_id: id('plain') });
  await addUser('tagged', { role_id: id('tagged'), tags: ['site:berlin'] });
  await addUser('many', { role_id: id('many'), tags: Array.from({ length: 60 }, (_, i) => `${'abc'[i % 3]}:${i}`) });
  await addUser('own', { role_id: id('own'), publish_permissions: ['mine.>'] });
}

inWorld('a role by itself', fill, (world) => refuses(world, role, [...rules.kinds, ...rules.subjects]));

inWorld('a role with users', fillUsers, (world) => refuses(world, role, rules.users));
