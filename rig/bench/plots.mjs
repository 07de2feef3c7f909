// Renders the page's plots as SVG; the same figures give the same bytes.

import * as echarts from "echarts";
import { DESIGNS, functionName, functionsOf, shapesOf, SHORT, sizeName } from "./names.mjs";

const MIB = 2 ** 20;
const [WIDTH, HEIGHT] = [860, 420];
// Distinguishable with colour blindness (Okabe and Ito).
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#666666", "#b8a800"];
const INK = "#222222";

const axis = (name, more) => ({
  name, nameLocation: "middle", nameGap: 46, nameTextStyle: { color: INK, fontSize: 13 }, axisLabel: { color: INK, fontSize: 13 },
  axisLine: { show: true, lineStyle: { color: "#888888" } }, splitLine: { lineStyle: { color: "#dddddd" } }, ...more,
});
const categories = (data, name) => axis(name, { type: "category", data, nameGap: 30, splitLine: { show: false } });
const values = (name, more) => axis(name, { type: "value", ...more });

// The start of bars on a logarithmic scale.
const floorOf = (list) => 10 ** Math.floor(Math.log10(Math.min(...list)));

const short = (n) => (n === undefined || n === null ? "" : Number(n.toPrecision(n >= 100 ? 3 : 2)).toString());
const label = { show: true, position: "top", fontSize: 10, color: INK, formatter: ({ value }) => short(Array.isArray(value) ? value[1] : value) };

/** Removes hover styles, and numbers the ids from 0: the library counts on from chart to chart. */
function normalize(svg) {
  const ids = new Map();
  return svg.replace(/<style .*?<\/style>\n?/gs, "").replace(/ (?:class|ecmeta_\w+)="[^"]*"/g, "").replace(/\bzr\d+-\w+\b/g, (id) => {
    if (!ids.has(id)) ids.set(id, `id-${ids.size}`);
    return ids.get(id);
  });
}

/** Renders on white, which is readable in both of GitHub's themes. */
function render({ title, ...option }) {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption({
      animation: false, backgroundColor: "#ffffff", color: COLOURS, textStyle: { fontFamily: "sans-serif", color: INK },
      title: { text: title, left: 16, top: 10, textStyle: { fontSize: 16, color: INK } },
      legend: { bottom: 8, left: "center", itemGap: 26, textStyle: { fontSize: 12, color: INK } },
      grid: { left: 76, right: 28, top: 56, bottom: 96 }, ...option,
    });
    return `${normalize(chart.renderToSVGString()).trim()}\n`;
  } finally {
    chart.dispose();
  }
}

const bars = (name, data) => ({ name, type: "bar", barMaxWidth: 44, label, data: data.map((n) => n ?? null) });
const line = (name, data, position = "top") => ({ name, type: "line", symbolSize: 8, lineStyle: { width: 2.5 }, label: { ...label, position }, data });
const from = (n) => ({ min: n, startValue: n });
const plain = (text) => text.replaceAll("`", "");

/** The plots: file name, alternative text, and `draw`, which returns a false value without figures. */
const PLOTS = [
  {
    name: "catch-up", alt: "Catching up: MB/s by blob size, for the forwarder, its limits and the vendors' functions",
    draw: ({ catchUp }) => catchUp && {
      title: "Catching up with one blob", xAxis: categories(catchUp.map(({ size }) => sizeName(size)), "blob"), yAxis: values("MB/s"),
      series: Object.entries(SHORT).map(([name, words]) => bars(words, catchUp.map((row) => row[name]?.rate))),
    },
  },
  {
    name: "memory-size", alt: "Peak memory in MiB against blob size, for the forwarder and the vendors' functions",
    draw: ({ catchUp }) => catchUp && {
      title: "Peak memory against blob size", xAxis: axis("blob, MB", { type: "log", nameGap: 30 }), yAxis: axis("MiB", { type: "log" }),
      series: ["whole", "python", "node"].map((name) => line(SHORT[name],
        catchUp.filter((row) => Number.isFinite(row[name]?.peak)).map((row) => [row.length / 1e6, row[name].peak / MIB]),
        name === "python" ? "bottom" : "top")),
    },
  },
  {
    name: "memory-events", alt: "Peak memory of the forwarder in MiB against events at once",
    draw: ({ memory }) => memory && {
      title: "Peak memory against events at once", xAxis: axis("events at once", { type: "log", logBase: 4, min: 1, nameGap: 30 }), yAxis: values("MiB"),
      series: [...new Set(memory.map(({ size }) => size))].map((size) => line(size < 1 ? `blobs of ${size * 1000} kB` : `blobs of ${sizeName(size)}`,
        memory.filter((row) => row.size === size).map(({ many, peak }) => [many, peak / MIB]))),
    },
  },
  {
    name: "cut",
    alt: "Cutting: GB/s by the records' shape, for the cutter and what else finds records in the same bytes, on a logarithmic scale",
    draw: ({ cut }) => cut && {
      title: "Cutting in memory", xAxis: categories(shapesOf(cut), "records"), yAxis: axis("GB/s", { type: "log", ...from(floorOf(Object.values(cut).flatMap(Object.values))) }),
      series: functionsOf(cut).map((name) => bars(plain(functionName(name)), shapesOf(cut).map((shape) => cut[name][shape]))),
    },
  },
  {
    name: "bill", alt: "The bill: dollars per interface and month, by what they are charged for, for three designs",
    draw: ({ bill }) => bill && {
      title: "Dollars per interface and month", grid: { left: 196, right: 40, top: 56, bottom: 116 },
      xAxis: values(undefined), yAxis: { ...categories(Object.keys(DESIGNS).map((name) => DESIGNS[name])), inverse: true },
      series: Object.keys(bill.forwarder).filter((of) => of !== "together").map((of) => (
        { name: of, type: "bar", stack: "bill", barMaxWidth: 44, data: Object.keys(DESIGNS).map((name) => bill[name][of]) })),
    },
  },
];

/** `[{name, alt, svg}]` for the measured parts. */
export const plots = (figures) => PLOTS.map(({ name, alt, draw }) => ({ name, alt, option: draw(figures) }))
  .filter(({ option }) => option).map(({ option, ...plot }) => ({ ...plot, svg: render(option) }));
