/** The demo's people, organizations and projects. */
export const people = {
  ada: { email: "ada@example.com", full_name: "Ada Okafor", department: "Engineering" },
  john: { email: "john@example.com", full_name: "John Meyer", department: "Search" },
  jane: { email: "jane@example.com", full_name: "Jane Lindqvist", department: "Engineering" },
  bob: { email: "bob@example.com", full_name: "Bob Tanaka", department: "Quality" },
} as const;

/** The project the agents work on. */
export const mainProject = {
  name: "Identity Service",
  description: "Signs users in with OAuth 2.0 and stores their sessions",
};

/** The project with tasks in every state. */
export const checkoutProject = { name: "Checkout", description: "Carts, prices and payment" };

export const acmeProjects = [
  { name: "Web Storefront", description: "Customer-facing shop" },
  { name: "Billing Worker", description: "Nightly invoices and reminders" },
  { name: "Notification Hub", description: "Email, push and SMS" },
  { name: "Admin Console", description: "For the support team" },
  { name: "Data Pipeline", description: "Streams events into the warehouse" },
  { name: "Mobile App", description: "iOS and Android" },
  { name: "Partner API", description: "Public API for partners" },
  { name: "Design System", description: "Components and tokens" },
  { name: "Infrastructure", description: "Networks, clusters, alerts" },
  { name: "Docs Site", description: "Guides and API reference" },
];

export const betaProjects = [
  { name: "Crawler", description: "Polite web crawler" },
  { name: "Search Index", description: "Builds and serves the index" },
  { name: "Query Parser", description: "Turns queries into plans" },
  { name: "Ranking", description: "Result ranking" },
  { name: "Spell Checker", description: "Suggests corrections" },
  { name: "Suggestions", description: "Suggestions while typing" },
  { name: "Evaluation", description: "Judged queries and metrics" },
  { name: "Front End", description: "The search page" },
];
