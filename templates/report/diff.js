"use strict";
// Filters, keys and links of the page. Without it all that the page holds is there to read.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const form = document.querySelector(".filter");
  const dialog = byId("keys");
  const shortcuts = byId("shortcuts");
  document.documentElement.classList.add("js");

  // What the filters look at, read once.
  const tools = all(".tool").map((node) => ({
    node,
    server: node.closest(".server"),
    link: document.querySelector(`nav a[href="#${node.id}"]`).parentElement,
    changes: all(".change", node).map((change) => ({
      node: change,
      text: `${node.querySelector("header").textContent} ${change.textContent}`.toLowerCase(),
    })),
  }));
  const total = tools.reduce((sum, tool) => sum + tool.changes.length, 0);
  let at = ""; // the id of the change or tool that was gone to

  const chosen = () => ({
    classes: all("input[name=class]:checked", form).map((box) => box.value),
    area: form.elements.area?.value ?? "",
    server: form.elements.server?.value ?? "",
    query: form.elements.q.value.trim(),
  });

  function apply() {
    const { classes, area, server, query } = chosen();
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    const servers = new Set();
    for (const tool of tools) {
      let some = false;
      for (const { node, text } of tool.changes) {
        const fits =
          (!classes.length || classes.includes(node.dataset.class)) &&
          (!area || node.dataset.area === area) &&
          (!server || tool.server.id === server) &&
          words.every((word) => text.includes(word));
        node.parentElement.hidden = !fits;
        shown += fits;
        some ||= fits;
      }
      tool.node.hidden = tool.link.hidden = !some;
      if (some) servers.add(tool.server);
    }
    const filtered = Boolean(classes.length || area || server || words.length);
    for (const node of all(".server")) node.hidden = filtered && !servers.has(node);
    for (const node of all(".nav-server")) node.hidden = byId(node.firstElementChild.hash.slice(1)).hidden;
    const noun = total === 1 ? "change" : "changes";
    byId("status").textContent = filtered ? `${shown} of ${total} ${noun} shown` : `${total} ${noun}`;
    form.querySelector("[type=reset]").hidden = !filtered;
    document.querySelector(".empty").hidden = shown > 0;
  }

  // The state is in the address, so that a link can be passed on.
  function remember() {
    const { classes, area, server, query } = chosen();
    const parts = Object.entries({ class: classes.join(), area, server, q: query, at })
      .filter(([, value]) => value)
      .map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2C", ",")}`);
    const hash = parts.length === 1 && at ? at : parts.join("&");
    try {
      history.replaceState(null, "", hash ? `#${hash}` : location.href.split("#")[0]);
    } catch {
      // a page in a frame without an address of its own
    }
  }

  function recall() {
    const hash = location.hash.slice(1);
    const state = new URLSearchParams(hash.includes("=") ? hash : { at: hash });
    const classes = (state.get("class") ?? "").split(",");
    for (const box of all("input[name=class]", form)) box.checked = !box.disabled && classes.includes(box.value);
    for (const name of ["area", "server"]) {
      const field = form.elements[name];
      const value = state.get(name) ?? "";
      if (field) field.value = [...field.options].some((option) => option.value === value) ? value : "";
    }
    form.elements.q.value = state.get("q") ?? "";
    at = state.get("at") ?? "";
    apply();
    if (at) goTo(byId(at));
  }

  function goTo(node) {
    if (!node) return;
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: node.offsetHeight > innerHeight ? "start" : "nearest" });
  }

  const visible = () => tools.flatMap((tool) => tool.changes).map(({ node }) => node).filter((node) => !node.parentElement.hidden);

  // From where the focus is to the next change, in the order of the page.
  function step(forward) {
    const from = document.activeElement;
    const here = from?.closest("main *") ? from : null;
    const nodes = forward ? visible() : visible().reverse();
    const wanted = forward ? Node.DOCUMENT_POSITION_FOLLOWING : Node.DOCUMENT_POSITION_PRECEDING;
    const next = nodes.find((node) => !here || (node !== here && !node.contains(here) && here.compareDocumentPosition(node) & wanted));
    goTo(next);
  }

  function toggle() {
    const entry = document.activeElement?.closest(".tool")?.querySelector(".entry");
    if (entry) entry.open = !entry.open;
  }

  const keys = {
    j: () => step(true),
    k: () => step(false),
    e: toggle,
    "/": () => form.elements.q.focus(),
    "?": () => dialog.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog.open) return;
    if (!shortcuts.checked || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault(); // the filters stay in the address
    const node = byId(link.hash.slice(1));
    if (node.matches(".change, .tool")) {
      at = node.id;
      remember();
    }
    goTo(node);
  });

  byId("close").addEventListener("click", () => dialog.close());
  shortcuts.addEventListener("change", () => {
    try {
      localStorage.setItem("mcpgen.shortcuts", shortcuts.checked);
    } catch {
      // nowhere to keep it: it holds for this visit
    }
  });
  try {
    shortcuts.checked = localStorage.getItem("mcpgen.shortcuts") !== "false";
  } catch {
    // as above
  }

  const changed = () => {
    at = "";
    apply();
    remember();
  };
  form.addEventListener("input", changed);
  form.addEventListener("reset", () => setTimeout(changed));
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("help").addEventListener("click", () => dialog.showModal());
  byId("unfold").addEventListener("click", ({ currentTarget: button }) => {
    const open = button.getAttribute("aria-pressed") !== "true";
    for (const entry of all(".entry")) entry.open = open;
    button.setAttribute("aria-pressed", open);
  });
  addEventListener("hashchange", recall);
  recall();
})();
