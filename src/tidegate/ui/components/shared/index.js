// What several components share: figures as text, times, colours of the theme, and a table's cell.
export * from "./figures.js";
export * from "./cell.js";
export * from "./theme.js";
export * from "./spark.js";
