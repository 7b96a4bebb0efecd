// What natsid writes into each account's JWT so that a state can be told from an older one.

/** {key, generation, iat, claims} of an account's JWT; null when it is not a whole one of natsid's. */
export function stampOf(jwt) {
  try {
    const [, payload, signature] = jwt.split('.');
    if (Buffer.from(signature, 'base64url').length !== 64) return null;
    const claims = JSON.parse(Buffer.from(payload, 'base64url'));
    const tag = claims.nats.tags.find((each) => each.startsWith('natsid:'));
    return tag ? { key: claims.sub, generation: Number(tag.split(':')[2]), iat: claims.iat, claims } : null;
  } catch {
    return null;
  }
}
