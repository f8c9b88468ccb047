// node-oidc-provider for the load driver: everything in memory, one process, with the paths of Hydra's API as far as the
// driver goes. The library does all the work of the protocol; what is added here stands for a login and consent app.
//
// usage: node server.js PORT

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

// The adapter that comes with the library keeps a thousand entries only. This one keeps everything that has not been removed.
const stored = new Map();
const byUid = new Map();
const byGrant = new Map();

class Memory {
  constructor(kind) {
    this.kind = kind;
  }

  key(id) {
    return `${this.kind}:${id}`;
  }

  async upsert(id, payload) {
    stored.set(this.key(id), payload);
    if (payload.uid) byUid.set(payload.uid, id);
    if (payload.grantId) {
      const members = byGrant.get(payload.grantId) ?? [];
      members.push(this.key(id));
      byGrant.set(payload.grantId, members);
    }
  }

  async find(id) {
    return stored.get(this.key(id));
  }

  async findByUid(uid) {
    return this.find(byUid.get(uid));
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of byGrant.get(grantId) ?? []) stored.delete(key);
    byGrant.delete(grantId);
  }
}

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const provider = new Provider(issuer, {
  adapter: Memory,
  jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: 'bench' }] },
  cookies: { keys: [randomUUID()] },
  scopes: ['openid', 'offline'],
  findAccount: (_, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
  issueRefreshToken: async () => true,
  interactions: { url: (_, interaction) => `http://127.0.0.1:9/${interaction.prompt.name}?${interaction.prompt.name}_challenge=${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  routes: {
    authorization: '/oauth2/auth',
    token: '/oauth2/token',
    introspection: '/admin/oauth2/introspect',
    revocation: '/oauth2/revoke',
    userinfo: '/userinfo',
    jwks: '/.well-known/jwks.json',
  },
});

const requests = '/admin/oauth2/auth/requests';

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

async function register(request) {
  const { grant_types, response_types, redirect_uris, token_endpoint_auth_method } = await body(request);
  const isWeb = grant_types.includes('authorization_code');
  const client = {
    client_id: randomUUID(),
    client_secret: randomUUID(),
    token_endpoint_auth_method,
    scope: 'openid offline',
    grant_types: grant_types.filter((grant) => !grant.startsWith('urn:')),
    response_types: isWeb ? response_types : [],
    redirect_uris: isWeb ? redirect_uris : [],
  };
  if (client.grant_types.includes('refresh_token') && !isWeb) client.grant_types = ['client_credentials'];
  await new Memory('Client').upsert(client.client_id, client);
  return [201, client];
}

// What the login or consent app answers.
async function accept(kind, uid, answer) {
  const interaction = await provider.Interaction.find(uid);
  if (kind === 'login') {
    interaction.result = { login: { accountId: answer.subject, remember: answer.remember } };
  } else {
    const { params, session } = interaction;
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(answer.grant_scope.join(' '));
    interaction.result = { ...interaction.lastSubmission, consent: { grantId: await grant.save() } };
  }
  await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
  return [200, { redirect_to: interaction.returnTo }];
}

async function ours(request) {
  const url = new URL(request.url, issuer);
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /health/alive':
    case 'GET /health/ready':
      return [200, { status: 'ok' }];
    case 'POST /admin/clients':
      return register(request);
    case `GET ${requests}/login`:
      return [200, await provider.Interaction.find(url.searchParams.get('login_challenge'))];
    case `GET ${requests}/consent`:
      return [200, await provider.Interaction.find(url.searchParams.get('consent_challenge'))];
    case `PUT ${requests}/login/accept`:
      return accept('login', url.searchParams.get('login_challenge'), await body(request));
    case `PUT ${requests}/consent/accept`:
      return accept('consent', url.searchParams.get('consent_challenge'), await body(request));
    default:
      return undefined;
  }
}

const isOurs = /^\/(health|admin\/(clients|oauth2\/auth))/;
const library = provider.callback();
const server = createServer((request, response) => {
  if (!isOurs.test(request.url)) {
    library(request, response);
    return;
  }
  ours(request).then(
    ([status, answer] = [404, {}]) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    },
    (error) => {
      response.writeHead(500);
      response.end(JSON.stringify({ error: String(error) }));
    },
  );
});
server.keepAliveTimeout = 60_000;
server.listen(port, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
