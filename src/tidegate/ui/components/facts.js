// Names and values: [[name, cell], ...].
import { h } from "vue";
import { cell } from "tidegate-ui";

export default {
  props: { data: Array },
  render() {
    return h("dl", { class: "tg-facts" }, (this.data || []).flatMap(([name, value]) => [h("dt", name), h("dd", [cell(value)])]));
  },
};
