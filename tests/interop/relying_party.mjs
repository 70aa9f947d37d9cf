// An application on openid-client, driven by test_openid_client.py: one command a line on stdin,
// its answer as one line of JSON on stdout. A refusal is an answer too.

import { createInterface } from 'node:readline'

import * as jose from 'jose'
import * as client from 'openid-client'

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

const parties = {} // configurations by client id
const logins = {} // what an application keeps between request and callback, by state

async function discover({ issuer, client_id, secret, metadata = {} }) {
  const authentication = secret ? client.ClientSecretBasic(secret) : client.None()
  const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks]
  parties[client_id] = await client.discovery(
    new URL(issuer), client_id, metadata, authentication, { execute },
  )
  // Its own additions are methods, which JSON leaves out.
  return parties[client_id].serverMetadata()
}

async function authorize({ client_id, ...parameters }) {
  const verifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  logins[state] = { verifier, nonce }
  const url = client.buildAuthorizationUrl(parties[client_id], {
    ...parameters,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    nonce,
    state,
  })
  return { url: url.href, state, nonce }
}

async function callback({ client_id, url, state, max_age }) {
  const tokens = await client.authorizationCodeGrant(parties[client_id], new URL(url), {
    pkceCodeVerifier: logins[state].verifier,
    expectedState: state,
    expectedNonce: logins[state].nonce,
    idTokenExpected: true,
    maxAge: max_age,
  })
  return { tokens, claims: tokens.claims() }
}

async function refresh({ client_id, refresh_token }) {
  const tokens = await client.refreshTokenGrant(parties[client_id], refresh_token)
  return { tokens, claims: tokens.claims() }
}

async function verify({ client_id, token, audience, typ }) {
  const { jwks_uri, issuer } = parties[client_id].serverMetadata()
  const keys = jose.createRemoteJWKSet(new URL(jwks_uri))
  const { protectedHeader, payload } = await jose.jwtVerify(token, keys, { issuer, audience, typ })
  return { header: protectedHeader, claims: payload }
}

const commands = {
  discover,
  authorize,
  callback,
  refresh,
  verify,
  userinfo: ({ client_id, access_token, sub }) =>
    client.fetchUserInfo(parties[client_id], access_token, sub),
  client_credentials: ({ client_id }) => client.clientCredentialsGrant(parties[client_id]),
  introspect: ({ client_id, token }) => client.tokenIntrospection(parties[client_id], token),
  exchange: ({ client_id, token }) =>
    client.genericGrantRequest(parties[client_id], TOKEN_EXCHANGE, {
      subject_token: token,
      subject_token_type: ACCESS_TOKEN,
    }),
  revoke: ({ client_id, token }) => client.tokenRevocation(parties[client_id], token),
  end_session: ({ client_id, ...parameters }) => ({
    url: client.buildEndSessionUrl(parties[client_id], parameters).href,
  }),
}

// What the server said, where it said something; else what the library found wrong with it.
function refusal(error) {
  const { error: code, error_description: description, status, cause } = error
  if (code) return { error: code, error_description: description, status }
  if (status && Array.isArray(cause)) return { status, challenges: cause }
  const causes = []
  for (let at = error; at instanceof Error; at = at.cause) causes.push(at.message)
  return { failure: causes }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...parameters } = JSON.parse(line)
  let answer
  try {
    answer = await commands[command](parameters)
  } catch (error) {
    answer = refusal(error)
  }
  console.log(JSON.stringify(answer ?? null))
}
