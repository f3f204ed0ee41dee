// What `oidc-provider` is told, from the settings of a test.

import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';

import { DEVICE_PAGES } from './pages.mjs';

const PERSONAL = ['preferred_username', 'groups', 'policy'];

export function configurationOf(settings, accounts) {
  const { algorithm, lifetimes } = settings;
  return {
    clients: settings.clients,
    clientDefaults: { id_token_signed_response_alg: algorithm },
    jwks: { keys: [newKey(algorithm)] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub'], profile: PERSONAL },
    // Stores read the ID token alone: what a scope stands for has to be in it.
    conformIdTokenClaims: false,
    clockTolerance: 5,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    extraParams: ['audience'],
    findAccount: (context, subject) => accounts.bySubject(subject),
    extraTokenClaims: (context, token) => claimsOf(token, accounts, settings),
    interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      deviceFlow: { enabled: true, ...DEVICE_PAGES },
      resourceIndicators: {
        enabled: true,
        defaultResource: (context, client, granted) => granted ?? audienceOf(context),
        useGrantedResource: () => true,
        getResourceServerInfo: (context, resource) => ({
          scope: '',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: lifetimes.access,
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
    ttl: {
      AccessToken: lifetimes.access,
      AuthorizationCode: lifetimes.code,
      ClientCredentials: lifetimes.access,
      DeviceCode: lifetimes.device,
      Grant: lifetimes.login,
      IdToken: lifetimes.id,
      Interaction: lifetimes.login,
      RefreshToken: lifetimes.refresh,
      Session: lifetimes.login,
    },
  };
}

function newKey(algorithm) {
  const pair = algorithm.startsWith('ES')
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = pair.privateKey.export({ format: 'jwk' });
  return { ...key, kid: randomUUID(), alg: algorithm, use: 'sig' };
}

// Some providers have `audience` where RFC 8707 has `resource`.
function audienceOf({ oidc }) {
  return oidc.params?.audience ?? oidc.body?.audience;
}

// A store confines whoever comes by `preferred_username`, and a service has none of its own.
function claimsOf(token, accounts, { services }) {
  if (token.kind === 'ClientCredentials') {
    return { preferred_username: token.clientId, ...services[token.clientId] };
  }
  const { sub, ...claims } = accounts.bySubject(token.accountId).claims();
  return claims;
}
