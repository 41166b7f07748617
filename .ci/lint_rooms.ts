const plugin: Deno.lint.Plugin = { name: "rooms", rules: { direction: { create: () => ({}) } } };
export default plugin;
