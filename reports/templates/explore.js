// Figures from run to run that can be explored. Where this does not run, the pictures that are there say the same.
(() => {
  const given = JSON.parse(document.getElementById("explored").textContent);
  const runs = given.runs;
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const variable = (name) => {
    const style = getComputedStyle(document.documentElement);
    return style.getPropertyValue(`--${name}`).trim() || style.getPropertyValue("--other").trim();
  };
  const prefixes = { "-5": "f", "-4": "p", "-3": "n", "-2": "µ", "-1": "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T" };
  const shown = (value, unit) => {
    if (unit === "%") return `${value.toFixed(2)} %`;
    const power = value === 0 ? 0 : Math.max(-5, Math.min(4, Math.floor(Math.log10(Math.abs(value)) / 3 + 1e-9)));
    return `${Number((value / 1000 ** power).toPrecision(3))} ${prefixes[power]}${unit}`.trim();
  };

  const charts = [];
  let zooming = false;
  const zoom = (min, max) => {
    if (zooming) return;
    zooming = true;
    charts.forEach((chart) => chart.plot.setScale("x", { min, max }));
    zooming = false;
    const whole = min <= 0 && max >= runs.length - 1;
    const [first, last] = [Math.max(0, Math.ceil(min)), Math.min(runs.length - 1, Math.floor(max))];
    charts.forEach((chart) => {
      chart.range.textContent = whole ? "" : `Runs ${first + 1} to ${last + 1} of ${runs.length}.`;
      chart.all.hidden = whole;
    });
  };

  const draw = (figure) => {
    const canvas = document.getElementById(figure.name)?.querySelector(".canvas");
    if (!canvas) return;
    const place = make("div", { className: "explored", tabIndex: 0 });
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", `${figure.title}. Left and right move from run to run, up and down from model to model.`);
    const told = make("p", { className: "told" }, "Drag over runs to see them alone; point at a line to read it.");
    told.setAttribute("aria-live", "polite");
    const range = make("span");
    const all = make("button", { type: "button", hidden: true }, "All runs");
    all.addEventListener("click", () => zoom(0, runs.length - 1));
    canvas.append(place, told, make("p", { className: "told" }, range, " ", all));
    canvas.classList.add("live");

    let focused = 0;
    const tell = (index) => {
      const line = figure.lines[focused];
      const run = runs[index];
      if (!run || !line) return;
      const value = line.values[index];
      const commit = run.href ? make("a", { href: run.href, rel: "noopener" }, run.commit) : run.commit;
      const verdict = line.levels[index] ? `, ${line.levels[index]}` : "";
      const words = value === null ? "no comparable value" : `${shown(value, figure.unit)}${verdict}`;
      told.replaceChildren(`${line.label}: ${words}. `, commit, ` ${run.created} ${run.message}`);
    };
    const rings = (plot) => {
      const context = plot.ctx;
      context.save();
      context.strokeStyle = variable("ink");
      context.lineWidth = devicePixelRatio;
      figure.lines.forEach((line) => Object.keys(line.levels).forEach((index) => {
        const value = line.values[index];
        if (value === null || index < plot.scales.x.min || index > plot.scales.x.max) return;
        context.beginPath();
        context.arc(plot.valToPos(+index, "x", true), plot.valToPos(value, "y", true), 6 * devicePixelRatio, 0, 2 * Math.PI);
        context.stroke();
      }));
      context.restore();
    };
    const axis = { stroke: () => variable("muted"), grid: { stroke: () => variable("grid"), width: 1 }, ticks: { stroke: () => variable("grid"), width: 1 } };
    const options = {
      width: place.clientWidth || 400,
      height: 240,
      padding: [10, 28, null, null],
      legend: { show: false },
      focus: { alpha: 0.35 },
      cursor: { drag: { x: true, y: false }, focus: { prox: 40 }, sync: { key: "runs" } },
      scales: { x: { time: false, range: (plot, min, max) => [min, max] } },
      axes: [
        { ...axis, splits: (plot, index, min, max) => [Math.max(0, Math.ceil(min)), Math.min(runs.length - 1, Math.floor(max))], values: (plot, splits) => splits.map((i) => runs[i]?.commit.slice(0, 7) ?? "") },
        { ...axis, size: 78, values: (plot, splits) => splits.map((value) => shown(value, figure.unit)) },
      ],
      series: [{}, ...figure.lines.map((line) => ({ label: line.label, stroke: () => variable(line.neuron), width: 1.6, spanGaps: true, points: { fill: () => variable("paper"), size: 5 } }))],
      hooks: {
        draw: [rings],
        setScale: [(plot, key) => { if (key === "x") zoom(plot.scales.x.min, plot.scales.x.max); }],
        setSeries: [(plot, index) => { if (index) focused = index - 1; }],
        setCursor: [(plot) => { if (plot.cursor.event && plot.cursor.idx !== null) tell(plot.cursor.idx); }],
      },
    };
    const data = [runs.map((_, index) => index), ...figure.lines.map((line) => line.values)];
    const plot = new uPlot(options, data, place);
    charts.push({ plot, place, range, all });

    let at = runs.length - 1;
    place.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
      const other = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0;
      if (event.key === "Escape") zoom(0, runs.length - 1);
      if (!step && !other) return;
      event.preventDefault();
      event.stopPropagation();
      at = Math.min(Math.max(at + step, 0), runs.length - 1);
      focused = (focused + other + figure.lines.length) % figure.lines.length;
      const value = figure.lines[focused].values[at];
      plot.setCursor({ left: plot.valToPos(at, "x"), top: value === null ? -10 : plot.valToPos(value, "y") });
      tell(at);
    });
  };
  given.figures.forEach(draw);

  const redraw = () => charts.forEach(({ plot, place }) => plot.setSize({ width: place.clientWidth || 400, height: 240 }));
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
