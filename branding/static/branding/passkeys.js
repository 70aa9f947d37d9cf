// Passkeys (WebAuthn): a form with data-passkey asks the browser for one, and posts what it says.
// Forms that are of no use without it are hidden until this file has found that it can be of use.

const CONDITIONAL = "conditional";
let waiting = new AbortController();

async function ask(form, more = {}) {
  const options = JSON.parse(form.dataset.options);
  if (form.dataset.passkey === "create") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey, ...more });
  }
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey, ...more });
}

function send(form, credential) {
  form.querySelector("[name=passkey_answer], [name=passkey_new]").value = JSON.stringify(
    credential.toJSON(),
  );
  form.submit();
}

async function press(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const problem = form.querySelector("[data-passkey-problem]");
  problem.hidden = true;
  // A browser asks one thing at a time.
  waiting.abort();
  waiting = new AbortController();
  try {
    send(form, await ask(form, { signal: waiting.signal }));
  } catch {
    problem.hidden = false;
  }
}

// While the user looks at the form, the browser offers passkeys where it offers passwords.
async function offer(form) {
  const can = await PublicKeyCredential.isConditionalMediationAvailable?.();
  if (!can || !document.querySelector("[autocomplete~=webauthn]")) return;
  try {
    send(form, await ask(form, { mediation: CONDITIONAL, signal: waiting.signal }));
  } catch {
    // Nobody chose one, or the button was pressed.
  }
}

if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", press);
    if (form.dataset.passkey === "get") offer(form);
  }
}
