// Puts node's own Ed25519 in the place of nkeys' one, which is JavaScript and takes tens of milliseconds for each
// signature: with hundreds of clients and tokens, the tests would mostly wait for themselves.
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import library from '@nats-io/nkeys/lib/nacl.js';

const nacl = library.default;
const SEED_SIZE = 32;

// What stands before the bytes of a key in DER.
const PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC = Buffer.from('302a300506032b6570032100', 'hex');

const privateKey = (seed) => createPrivateKey({ key: Buffer.concat([PRIVATE, seed]), format: 'der', type: 'pkcs8' });
const publicKey = (bytes) => createPublicKey({ key: Buffer.concat([PUBLIC, bytes]), format: 'der', type: 'spki' });

// Most keys are used again, and to make one of its bytes takes longer than to sign.
const known = new Map(); // seed -> {key, bytes: of the public key}

function ofSeed(seed) {
  const name = Buffer.from(seed).toString('latin1');
  if (!known.has(name)) {
    const key = privateKey(seed);
    const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
    known.set(name, { key, bytes: der.subarray(PUBLIC.length) });
  }
  return known.get(name);
}

nacl.sign.keyPair.fromSeed = (seed) => {
  const { bytes } = ofSeed(seed);
  return { publicKey: new Uint8Array(bytes), secretKey: new Uint8Array([...seed, ...bytes]) }; // as nacl has it
};

nacl.sign.detached = Object.assign(
  (message, secretKey) => new Uint8Array(sign(null, message, ofSeed(secretKey.subarray(0, SEED_SIZE)).key)),
  { verify: (message, signature, bytes) => verify(null, message, publicKey(bytes), signature) },
);
