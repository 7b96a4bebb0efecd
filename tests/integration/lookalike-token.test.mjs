// An activation from outside that servers read differently than natsid would make them refuse the whole account.
import assert from 'node:assert/strict';
import { createAccount } from '@nats-io/nkeys';
import { onStage } from './lib/stage.mjs';

const text = (value) => Buffer.from(value).toString('base64url');

function activation(key, importer, { top = {}, body = {} }) {
  const nats = { subject: 'outside.>', kind: 'stream', type: 'activation', version: 2, ...body };
  const claims = { jti: 'X', iat: 1700000000, iss: key.getPublicKey(), sub: importer, nats, ...top };
  const signed = `${text('{"typ":"JWT","alg":"ed25519-nkey"}')}.${text(JSON.stringify(claims))}`;
  return `${signed}.${text(key.sign(new TextEncoder().encode(signed)))}`;
}

onStage('tokens with members that look alike', {}, (stage, test) => {
  const another = createAccount().getPublicKey();
  const cases = {
    'a subject in capitals': { top: { SUB: another } },
    'a subject with a long s': { top: { '\u017fub': another } },
    'a kind with a kelvin sign': { body: { '\u212aind': 'service' } },
    'another kind': { body: { Kind: 'service' } },
  };

  test('they are refused before they are written', async () => {
    const account = await stage.createAccount('importer');
    for (const [what, more] of Object.entries(cases)) {
      const key = createAccount();
      const { status, text: answer } = await stage.daemon.api('POST', '/api/collections/nats_account_imports/records', {
        account_id: account.id, name: what, subject: 'outside.x', account: key.getPublicKey(), type: 'stream',
        token: activation(key, account.public_key, more),
      });
      if (status === 200) {
        await stage.proven(account, { deadline: 3000 }).catch((error) => assert.fail(`${what}: ${error.message}`));
      }
      assert.equal(status, 400, `${what}: ${answer}`);
      assert.match(answer, /token/);
    }
  });

  test('one without them is taken, and so is its account', async () => {
    const account = await stage.createAccount('other');
    const key = createAccount();
    await stage.create('nats_account_imports', {
      account_id: account.id, name: 'good', subject: 'outside.x', account: key.getPublicKey(), type: 'stream',
      token: activation(key, account.public_key, {}),
    });
    await stage.proven(account);
  });
});
