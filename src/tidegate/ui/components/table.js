// A table that is data: {columns: [{key, label, num?, hide?, sort?}], rows: [{key, href?, cells: {...}, tone?}], empty, stacked, selected}.
// Rows are told apart by their key, so that a refresh moves nothing. A row with an address is a link; arrows or j/k walk, Enter opens.
import { h } from "vue";
import { cell } from "tidegate-ui";

export default {
  props: { data: Object },
  emits: ["row", "sort"],
  methods: {
    open(row, event) {
      if (event.target.closest("a, button, input")) return;
      if (row.href) { if (event.metaKey || event.ctrlKey) window.open(row.href); else window.location.assign(row.href); }
      else if (this.data.clickable) this.$emit("row", row.key);
    },
    walk(event, row) {
      const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
      if (event.target.matches("input, select, textarea")) return;
      if (step) {
        const next = step > 0 ? event.currentTarget.nextElementSibling : event.currentTarget.previousElementSibling;
        if (next) { next.focus(); event.preventDefault(); }
      } else if (event.key === "Enter" && event.target === event.currentTarget) this.open(row, event);
    },
  },
  render() {
    const { columns = [], rows = [], empty, stacked = true, sort, selected, caption } = this.data || {};
    const shown = columns.filter((column) => !column.hide);
    const head = shown.map((column) => {
      const mark = sort && sort.key === column.key ? (sort.down ? " ↓" : " ↑") : "";
      const label = column.sort ? h("button", { onClick: () => this.$emit("sort", column.key) }, column.label + mark) : column.label + mark;
      return h("th", { class: column.num && "tg-num", scope: "col", title: column.title, "aria-sort": mark ? (sort.down ? "descending" : "ascending") : undefined }, [label]);
    });
    const body = rows.map((row) => {
      const goes = row.href || this.data.clickable;
      return h("tr", {
        key: row.key, class: goes && "tg-go", tabindex: goes ? 0 : undefined, "aria-selected": selected === row.key ? "true" : undefined,
        onClick: goes ? (event) => this.open(row, event) : undefined, onKeydown: goes ? (event) => this.walk(event, row) : undefined,
      }, shown.map((column) => h("td", { class: column.num && "tg-num", "data-label": column.label }, [cell(row.cells[column.key])])));
    });
    if (!rows.length && empty) body.push(h("tr", { key: "empty" }, [h("td", { colspan: shown.length, class: "tg-note" }, empty)]));
    return h("div", { class: "tg-table-wrap" }, [
      h("table", { class: ["tg-table", stacked && "tg-table-stack"] }, [caption && h("caption", { class: "tg-label" }, caption), h("thead", [h("tr", head)]), h("tbody", body)]),
    ]);
  },
};
