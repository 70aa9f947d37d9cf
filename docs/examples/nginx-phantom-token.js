// What nginx-phantom-token.conf cannot say for itself: `auth_request` looks at a status only, and
// to it an inactive token (204) is as good as a living one (200).

import crypto from 'crypto';

// RFC 6750 section 2.1, and RFC 9110 section 11.1: the scheme "is case-insensitive".
const BEARER = /^bearer +([A-Za-z0-9._~+\/-]+=*)$/i;
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

function presented(r) {
    const match = BEARER.exec(r.headersIn.Authorization || '');
    return match ? match[1] : null;
}

// What an answer is kept under. The cache's files begin with it, so it is not the token itself.
function key(r) {
    return crypto.createHash('sha256').update(presented(r) || '').digest('hex');
}

async function exchange(r) {
    const token = presented(r);
    if (token === null) {
        return refuse(r, 'Bearer realm="api"');
    }
    const answer = await r.subrequest('/_introspect', {
        method: 'POST',
        body: `token=${encodeURIComponent(token)}`,
    });
    if (answer.status === 204) {
        return refuse(r, 'Bearer realm="api", error="invalid_token"');
    }
    if (answer.status === 200 && JWT.test(answer.responseText)) {
        r.headersOut['X-Gateway-JWT'] = answer.responseText;
        return r.return(204);
    }
    // Away, or this gateway may not introspect: 401 and 403 from there are about this gateway.
    r.error(`introspection has answered ${answer.status}`);
    r.return(500);
}

function refuse(r, challenge) {
    r.headersOut['X-Challenge'] = challenge;
    r.return(401);
}

export default { exchange, key };
