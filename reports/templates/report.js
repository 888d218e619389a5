"use strict";
// Everything here is an extra: the page is complete without it.
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // Sorting: a click or Enter on a column's head; what is missing stays last in either direction.
  const keyOf = (row, index) => {
    const cell = row.cells[index];
    const raw = cell.dataset.value ?? (cell.querySelector(".missing") ? "" : cell.textContent.trim());
    return raw === "" ? null : raw;
  };
  const compare = (a, b) => (Number.isFinite(+a) && Number.isFinite(+b) ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const sort = (table, head) => {
    const descending = head.getAttribute("aria-sort") === "ascending"
      || (!head.hasAttribute("aria-sort") && head.classList.contains("number"));
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [keyOf(row, head.cellIndex), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : (descending ? -1 : 1) * compare(a, b)));
    body.append(...rows.map(([, row]) => row));
  };
  all("[data-sortable] table").forEach((table) => {
    all("thead tr:last-child th", table).forEach((head) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      button.addEventListener("click", () => sort(table, head));
      head.append(button);
    });
  });

  // Copying a table as it stands: its order, its filter.
  const textOf = (cell) => {
    const copy = cell.cloneNode(true);
    all("sup, button svg, small, .bar", copy).forEach((part) => part.remove());
    const detail = cell.querySelector("small");
    return (copy.textContent.trim() + (detail ? ` (${detail.textContent.trim()})` : "")).replace(/\s+/g, " ");
  };
  // CSV is for programs: raw values and their units. The others are for readers.
  const rawOf = (cell) => cell.dataset.value ?? (cell.classList.contains("number") ? "" : textOf(cell));
  const gridOf = (table, raw) => {
    const groups = [];
    all("thead tr.groups > *", table).forEach((cell) => groups.push(...Array(cell.colSpan).fill(textOf(cell))));
    const heads = all("thead tr:last-child th", table).map((cell, i) => [groups[i], textOf(cell)].filter(Boolean).join(": ") + (raw && cell.dataset.unit ? ` [${cell.dataset.unit}]` : ""));
    const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => [...row.cells].map(raw ? rawOf : textOf));
    return [heads, ...rows];
  };
  const number = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;
  const formats = {
    CSV: (grid) => grid.map((row) => row.map((value) => {
      const safe = /^[=+\-@\t\r]/.test(value) && !number.test(value) ? `'${value}` : value;
      return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    }).join(",")).join("\n"),
    Markdown: ([heads, ...rows]) => [heads, heads.map(() => "---"), ...rows]
      .map((row, i) => `| ${row.map((v) => (i === 1 ? v : v.replace(/[\\|*_`<>[\]]/g, "\\$&"))).join(" | ")} |`).join("\n"),
    LaTeX: (grid) => {
      const special = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "µ": "\\textmu{}",
        "−": "$-$", "×": "$\\times$", "φ": "$\\varphi$", "²": "\\textsuperscript{2}", "\u202f": "\\,", "–": "--" };
      const line = (row) => `${row.map((v) => v.replace(/[\\~^µ−×φ²–\u202f]|[&%$#_{}]/g, (c) => special[c] ?? `\\${c}`)).join(" & ")} \\\\`;
      const [heads, ...rows] = grid;
      return [`\\begin{tabular}{l${"r".repeat(heads.length - 1)}}`, "\\toprule", line(heads), "\\midrule", ...rows.map(line),
        "\\bottomrule", "\\end{tabular}"].join("\n");
    },
  };
  const copy = async (value) => {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      const area = make("textarea", { value, style: "position:fixed;opacity:0" });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  all("[data-tools]").forEach((holder) => {
    const table = holder.querySelector("table");
    const said = make("span", { role: "status" });
    const buttons = Object.entries(formats).map(([name, format]) => {
      const button = make("button", { type: "button" }, name);
      button.setAttribute("aria-label", `Copy the table as ${name}`);
      button.addEventListener("click", async () => {
        await copy(format(gridOf(table, name === "CSV")));
        said.textContent = `Copied as ${name}`;
        setTimeout(() => { said.textContent = ""; }, 2500);
      });
      return button;
    });
    holder.querySelector(".scroll").after(make("div", { className: "tools" }, "Copy as", ...buttons, said));
  });

  // Filtering the models; what is filtered out fades in the figures as well.
  const form = document.querySelector(".filters");
  const marks = (key) => all(`[data-mark="${CSS.escape(key)}"]`);
  if (form) {
    const selects = all("select", form);
    const search = form.querySelector("input");
    const noun = form.dataset.for;
    const rows = all(`#${noun} tbody tr`);
    const apply = (wanted = true) => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row) => {
        const name = `${row.querySelector("th").dataset.value ?? ""} ${row.textContent}`.toLowerCase();
        const keep = selects.every((s) => !s.value || row.dataset[s.dataset.facet] === s.value) && words.every((w) => name.includes(w));
        row.hidden = !keep;
        shown += keep;
        if (row.dataset.mark) marks(row.dataset.mark).forEach((mark) => mark.closest("svg") && mark.classList.toggle("out", !keep));
      });
      const state = new URLSearchParams();
      selects.forEach((s) => { if (s.value) state.set(s.dataset.facet, s.value); });
      if (search.value) state.set("text", search.value);
      // The filter is part of the address, so that it can be sent to somebody.
      if (wanted) history.replaceState(null, "", `${location.pathname}${location.search}#?${state}`);
      form.querySelector("output").textContent = `${shown} of ${rows.length} ${noun}`;
    };
    form.hidden = false;
    form.addEventListener("input", () => apply());
    form.addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input, select, textarea");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        search.focus();
      } else if (event.key === "Escape" && form.contains(event.target)) {
        form.reset();
        apply();
      }
    });
    if (location.hash.startsWith("#?")) {
      const state = new URLSearchParams(location.hash.slice(2));
      selects.forEach((s) => { if ([...s.options].some((o) => o.value === state.get(s.dataset.facet))) s.value = state.get(s.dataset.facet); });
      search.value = state.get("text") ?? "";
    }
    apply(false);
  }

  // Up and down move from one row's link to the next.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target.closest?.("tbody tr");
    if (!step || !row || !event.target.matches("th a")) return;
    const rows = [...row.parentElement.rows].filter((other) => !other.hidden);
    const link = rows[rows.indexOf(row) + step]?.querySelector("th a");
    if (link) {
      event.preventDefault();
      link.focus();
    }
  });

  // Linked highlighting: a model's row and its marks light up together.
  let lit = null;
  const light = (key) => {
    if (key === lit) return;
    all(".lit").forEach((element) => element.classList.remove("lit"));
    all(".linked").forEach((element) => element.classList.remove("linked"));
    lit = key;
    if (key === null) return;
    marks(key).forEach((mark) => {
      mark.classList.add("lit");
      mark.closest("figure")?.classList.add("linked");
    });
  };
  const keyAt = (event) => event.target.closest?.("[data-mark]")?.dataset.mark ?? null;
  document.addEventListener("pointerover", (event) => light(keyAt(event)));
  document.addEventListener("focusin", (event) => light(keyAt(event)));
  all("svg [data-mark]").forEach((mark) => {
    const row = document.getElementById(`model-${mark.dataset.mark}`);
    const link = row?.querySelector("th a");
    if (!link) return;
    mark.style.cursor = "pointer";
    mark.addEventListener("click", () => link.click());
    if (mark.dataset.tip) return;
    const [accuracy, energy] = ["accuracy", "energy"].map((name) => textOf(row.querySelector(`[data-column="${name}"]`)));
    mark.dataset.tip = `${row.querySelector("th").dataset.value}: accuracy ${accuracy}, estimated energy ${energy}`;
  });

  // Tooltips: on hover and on focus, for what carries an explanation.
  const tip = make("div", { id: "tip", role: "tooltip", hidden: true });
  document.body.append(tip);
  const explain = (event) => {
    const target = event.target.closest?.("[data-tip]");
    tip.hidden = !target;
    if (!target) return;
    tip.textContent = target.dataset.tip;
    const box = target.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left), innerWidth - tip.offsetWidth - 8);
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
  };
  document.addEventListener("pointerover", explain);
  document.addEventListener("focusin", explain);
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  // A link to something inside closed details opens them.
  const reveal = () => {
    const target = location.hash.length > 1 && !location.hash.startsWith("#?") && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let parent = target || null; parent; parent = parent.parentElement) if (parent.tagName === "DETAILS") parent.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
