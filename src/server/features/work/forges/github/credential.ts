/** A client of a forge's OAuth, by which people prove their accounts. */
export interface OauthClient {
  client_id: string;
  client_secret: string;
}

export type GithubCredential =
  | {
      kind: "token";
      token: string;
      /** Of another forge than GitHub. */
      oauth?: OauthClient | undefined;
    }
  | {
      kind: "app";
      app_id: string;
      private_key: string;
      installation_id: string;
      /** Of an App that was made from the browser. */
      client_id?: string | undefined;
      client_secret?: string | undefined;
      webhook_secret?: string | undefined;
    };
