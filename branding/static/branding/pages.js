// The only script of the end-user pages, which work without it: a button that shows a password.

for (const button of document.querySelectorAll("button.reveal")) {
  const field = document.getElementById(button.getAttribute("aria-controls"));

  const show = (isShown) => {
    field.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
  };

  button.addEventListener("click", () => {
    show(field.type === "password");
    field.focus();
  });
  // Browsers keep what was sent as text, to suggest it later.
  field.form.addEventListener("submit", () => show(false));
  button.hidden = false;
}
