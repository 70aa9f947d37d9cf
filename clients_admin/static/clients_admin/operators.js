// The operators' UI: tabs of the client page, durations in words, the copy button, names for parts.

// htmx would write its styles as an inline element and evaluate text, neither of which we use.
if (window.htmx) {
  window.htmx.config.includeIndicatorStyles = false;
  window.htmx.config.allowEval = false;
}

document.addEventListener("alpine:init", () => {
  window.Alpine.data("operatorTabs", (first, mustOpen) => ({
    current: first,

    init() {
      if (!mustOpen) this.follow();
      this.remember();
    },

    tabs() {
      return [...this.$root.querySelectorAll("[role=tab]")];
    },

    follow() {
      const slug = window.location.hash.slice(1);
      if (this.tabs().some((tab) => tab.id === `tab-${slug}`)) this.open(slug);
    },

    open(slug) {
      this.current = slug;
      this.remember();
    },

    step(by) {
      const tabs = this.tabs();
      const at = tabs.findIndex((tab) => tab.id === `tab-${this.current}`);
      const next = tabs[(at + by + tabs.length) % tabs.length];
      this.open(next.id.slice("tab-".length));
      next.focus();
    },

    // A browser carries the fragment of a form's address through the redirect after saving.
    remember() {
      const address = `${window.location.pathname}${window.location.search}#${this.current}`;
      window.history.replaceState(window.history.state, "", address);
      this.$nextTick(() => {
        this.$root.closest("form").action = address;
      });
    },
  }));

  window.Alpine.data("copyButton", () => ({
    label: "Copy",

    async copy() {
      await navigator.clipboard.writeText(this.$refs.text.textContent);
      this.label = "Copied";
    },
  }));
});

// What unfold and select2 leave without a name that a screen reader could say.
function nameParts() {
  const main = document.getElementById("main") || document.querySelector("body > div");
  if (main && !document.querySelector("main")) main.setAttribute("role", "main");
  for (const field of document.querySelectorAll(".select2-search__field:not([aria-label])")) {
    const select = field.closest(".select2-container")?.previousElementSibling;
    const label = select && document.querySelector(`label[for="${select.id}"]`);
    field.setAttribute("aria-label", label ? label.textContent.trim() : "Search");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  nameParts();
  new MutationObserver(nameParts).observe(document.body, { childList: true, subtree: true });
});

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

// The same as `in_words` in durations.py.
function inWords(seconds) {
  const words = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size);
    seconds %= size;
    if (count) words.push(`${count} ${unit}${count === 1 ? "" : "s"}`);
  }
  return words.join(" ") || "0 seconds";
}

document.addEventListener("input", ({ target }) => {
  const row = target.closest(".operators-flags tr");
  if (!row) return;
  row.classList.toggle("is-set", target.value !== "");
  if (!("seconds" in target.dataset)) return;
  const text = target.value || target.placeholder;
  const isDuration = /^\d{1,12}$/.test(text);
  row.querySelector(".operators-words").textContent = isDuration ? inWords(Number(text)) : "";
});

// The preview of a brand follows its form.

function previewBrand() {
  const panel = document.querySelector(".operators-preview");
  if (!panel) return;
  const button = panel.querySelector("button");
  const frame = panel.querySelector("iframe");
  const width = panel.querySelector("[name=preview_width]");
  let waiting;

  const show = () => {
    frame.classList.toggle("is-narrow", width.value === "phone");
    button.form.requestSubmit(button);
  };

  // Showing is not leaving: whoever leaves with unsaved changes is still asked.
  document.addEventListener(
    "submit",
    (event) => {
      if (event.submitter === button) event.stopImmediatePropagation();
    },
    true,
  );
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, ({ target }) => {
      if (target.form !== button.form) return;
      clearTimeout(waiting);
      waiting = setTimeout(show, 400);
    });
  }
  show();
}

document.addEventListener("DOMContentLoaded", previewBrand);
