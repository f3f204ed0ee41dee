// The pages that a person sees: who are you, may this client act for you, which device is it.

const escape = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const page = (title, body) => `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>${escape(title)}</title></head>
<body>
<h1>${escape(title)}</h1>
${body}
</body>
</html>
`;

const loginPage = (uid, complaint) => page('Log in', `
<p>${escape(complaint)}</p>
<form id="login" method="post" action="/interaction/${uid}/login">
<label>Login name <input name="login" autofocus autocomplete="off"></label>
<button>Log in</button>
</form>
${cancelForm(uid)}`);

const consentPage = (uid, { client_id: client, scope, resource }) => page('Consent', `
<p>${escape(client)} asks for ${escape(scope)} ${escape(resource ?? '')}</p>
<form id="consent" method="post" action="/interaction/${uid}/consent">
<button>Allow</button>
</form>
${cancelForm(uid)}`);

const cancelForm = (uid) => `
<form id="cancel" method="post" action="/interaction/${uid}/cancel">
<button>Cancel</button>
</form>`;

// oidc-provider makes the forms of these pages, and leaves the buttons to us.
export const DEVICE_PAGES = {
  userCodeInputSource(context, form, out, error) {
    const complaint = error ? `<p id="complaint">${escape(error.message)}</p>` : '';
    context.body = page('Which device?', `${complaint}${form}
<button form="op.deviceInputForm">Continue</button>`);
  },
  userCodeConfirmSource(context, form, client, device, code) {
    context.body = page('Is this your device?', `
<p>${escape(client.clientId)} shows ${escape(code)}</p>${form}
<button id="confirm" form="op.deviceConfirmForm">Yes</button>
<button id="abort" form="op.deviceConfirmForm" name="abort" value="yes">No</button>`);
  },
  successSource(context) {
    context.body = page('Done', '<p>The device is logged in.</p>');
  },
};

export async function answerInteraction(provider, accounts, request, response) {
  try {
    const details = await provider.interactionDetails(request, response);
    const step = request.url.split('/')[3];
    if (request.method === 'GET') {
      show(response, details.prompt.name === 'login'
        ? loginPage(details.uid, '')
        : consentPage(details.uid, details.params));
    } else {
      await STEPS[step]({ provider, accounts, request, response, details });
    }
  } catch (error) {
    console.error(error);
    response.writeHead(400, { 'Content-Type': 'text/plain' }).end(`${error.name}\n`);
  }
}

const STEPS = {
  async login({ provider, accounts, request, response, details }) {
    const name = (await formOf(request)).get('login');
    const account = accounts.named(name);
    if (account) {
      const login = { accountId: account.accountId };
      await provider.interactionFinished(request, response, { login });
    } else {
      show(response, loginPage(details.uid, `nobody here is called ${name}`));
    }
  },

  async consent({ provider, request, response, details }) {
    const consent = { grantId: await grant(provider, details) };
    const options = { mergeWithLastSubmission: true };
    await provider.interactionFinished(request, response, { consent }, options);
  },

  async cancel({ provider, request, response }) {
    const error = 'access_denied';
    const description = 'the person said no';
    const refusal = { error, error_description: description };
    await provider.interactionFinished(request, response, refusal);
  },
};

async function grant(provider, { params, session, prompt, grantId }) {
  const owner = { accountId: session.accountId, clientId: params.client_id };
  const given = (grantId && await provider.Grant.find(grantId)) || new provider.Grant(owner);
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) {
    given.addOIDCScope(missingOIDCScope.join(' '));
  }
  if (missingOIDCClaims) {
    given.addOIDCClaims(missingOIDCClaims);
  }
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    given.addResourceScope(resource, scopes.join(' '));
  }
  return given.save();
}

function show(response, html) {
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(html);
}

async function formOf(request) {
  const pieces = [];
  for await (const piece of request) {
    pieces.push(piece);
  }
  return new URLSearchParams(Buffer.concat(pieces).toString());
}
