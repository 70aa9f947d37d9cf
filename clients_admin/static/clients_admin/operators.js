// The operators' UI: tabs of the client page, durations in words, the copy button.

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
