// The chart library is large: it loads beside the page, which is drawn before it is there.
export let echarts = null;
export const echartsReady = import("nicegui-echart").then((found) => { echarts = found.echarts; });
