// What is refused does not reach the servers either. What all is refused: rules-*.test.mjs.
import assert from 'node:assert/strict';
import { claimsIn } from './lib/claims.mjs';
import { path } from './lib/rules.mjs';
import { onStage } from './lib/stage.mjs';

onStage('refused writes', {}, (stage, test) => {
  test('a refused write of each collection pushes nothing', async () => {
    const account = await stage.createAccount('acme');
    const fence = await stage.createAccount('fence');
    const role = await stage.createRole('sensor', ['data.>'], ['data.>']);
    const user = await stage.createUser('probe', account, role);
    const exported = await stage.create('nats_account_exports', { account_id: account.id, name: 'data', subject: 'data.>', type: 'stream' });
    const imported = await stage.create('nats_account_imports', {
      account_id: fence.id, account: account.public_key, name: 'data', subject: 'data.>', type: 'stream',
    });
    const heard = await stage.tap();
    await stage.converged();
    heard.pushes.length = 0;

    for (const [{ collectionName, id }, fields] of [
      [account, { max_payload: 1000, mappings: { 'data.*': [{ subject: 'x.$2' }] } }],
      [role, { max_payload: 1000, publish_permissions: ['data..x'] }],
      [user, { active: false, networks: ['10.0.0.1'] }],
      [exported, { token_req: true, account_token_position: 1 }],
      [imported, { local_subject: 'data', subject: 'data.x.>' }],
    ]) {
      const { status, text } = await stage.daemon.api('PATCH', path(collectionName, id), fields);
      assert.equal(status, 400, text);
    }

    // Pushes are in the order of the changes, so what is refused would be heard before this one.
    const { generation } = await stage.read(account);
    assert.equal(generation, (await stage.proven(account)).generation);
    await stage.change(fence, { max_connections: 10 });
    await stage.proven(fence);
    const subjects = heard.pushes.map((jwt) => claimsIn(jwt).sub);
    assert.deepEqual([...new Set(subjects)], [fence.public_key]);
  });
});
