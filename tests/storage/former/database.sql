BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0008');
CREATE TABLE api_keys (workspace INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, digest BLOB NOT NULL,
            permissions TEXT NOT NULL, rate_limit INTEGER, created TEXT NOT NULL, expires TEXT, revoked TEXT,
            last_used TEXT, role TEXT, user_id TEXT, PRIMARY KEY (workspace, id));
INSERT INTO "api_keys" VALUES(1,'836629c949e6c654','okta',X'D6AB1A1D50C213464E0A448D4905DC99EA88DFEA1E5929E60C7DD10AE0593831','["Admin"]',NULL,'2026-12-01T00:50:07.236Z',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE changes (sequence INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, workspace INTEGER NOT NULL, time TEXT NOT NULL,
            actor TEXT NOT NULL, request_id TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,
            action TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL, members TEXT, address TEXT, chain BLOB);
INSERT INTO "changes" VALUES(1,1,'2026-12-01T00:50:07.237Z','command','','ApiKey','836629c949e6c654','create',0,'{"name":"okta","permissions":["Admin"],"role":null,"user":null,"expires":null}',NULL,'',X'0EF00B1753E661D27226E0640DBFD3CD119D3BC18A779BF67F825ABC8B9FE910');
INSERT INTO "changes" VALUES(2,1,'2026-12-01T00:50:08.000Z','key:836629c949e6c654','4fb64813bb23-2','User','01a22f14-9600-731b-ae6c-e7e1b45879d0','create',1,'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.000Z","version":"W/\"1\"","location":"/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"}}',NULL,'127.0.0.1',X'D58EDAF45D7456C8F35C2653AC79E1A740478FBB25921004F4078B4D06666CF8');
INSERT INTO "changes" VALUES(3,1,'2026-12-01T00:50:08.010Z','key:836629c949e6c654','4fb64813bb23-3','User','01a22f14-960a-73aa-99c1-e2a0925d7e65','create',1,'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-960a-73aa-99c1-e2a0925d7e65","userName":"user-1022-1@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.010Z","lastModified":"2026-12-01T00:50:08.010Z","version":"W/\"1\"","location":"/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65"}}',NULL,'127.0.0.1',X'EB29B8BBFC00BA5D81354D69F5AF0976A7C03ECBA50579C2000F0350207B5A7F');
INSERT INTO "changes" VALUES(4,1,'2026-12-01T00:50:08.019Z','key:836629c949e6c654','4fb64813bb23-4','User','01a22f14-9613-77ba-a299-fadb5a265fbe','create',1,'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9613-77ba-a299-fadb5a265fbe","userName":"user-1022-2@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-2@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.019Z","lastModified":"2026-12-01T00:50:08.019Z","version":"W/\"1\"","location":"/Users/01a22f14-9613-77ba-a299-fadb5a265fbe"}}',NULL,'127.0.0.1',X'5C831E3F027630A1C85F422BB8FD9A125C9159CB26B73965751AA1E2A373171B');
INSERT INTO "changes" VALUES(5,1,'2026-12-01T00:50:08.025Z','key:836629c949e6c654','4fb64813bb23-5','Group','01a22f14-9619-75d4-8eb9-36a73beb59b6','create',1,'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"Crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025Z","lastModified":"2026-12-01T00:50:08.025Z","version":"W/\"1\"","location":"/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6"}}','{"added":["01a22f14-9600-731b-ae6c-e7e1b45879d0","01a22f14-960a-73aa-99c1-e2a0925d7e65"],"removed":[]}','127.0.0.1',X'0CAD9785DD097B4FF14E159516282755FD42594D10D0F333B5A9F956E55DC636');
CREATE TABLE configuration (
	workspace INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	id TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (workspace, kind, id)
);
CREATE TABLE counts (workspace INTEGER NOT NULL, type TEXT NOT NULL, total BIGINT NOT NULL,
            PRIMARY KEY (workspace, type)) WITHOUT ROWID;
INSERT INTO "counts" VALUES(1,'Group',1);
INSERT INTO "counts" VALUES(1,'User',3);
CREATE TABLE deliveries (
	workspace INTEGER NOT NULL, 
	webhook TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	sequence BIGINT NOT NULL, 
	part INTEGER NOT NULL, 
	event TEXT NOT NULL, 
	time TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	status INTEGER, 
	error TEXT, 
	milliseconds INTEGER NOT NULL, 
	PRIMARY KEY (workspace, webhook, number)
);
CREATE TABLE deprovisionings (
	workspace INTEGER NOT NULL, 
	time TEXT NOT NULL, 
	"key" BIGINT NOT NULL, 
	PRIMARY KEY (workspace, time, "key")
);
CREATE TABLE hierarchies (
	workspace INTEGER NOT NULL, 
	version BIGINT NOT NULL, 
	PRIMARY KEY (workspace)
);
CREATE TABLE installation (id INTEGER NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL, signing_secret BLOB NOT NULL);
INSERT INTO "installation" VALUES(1,3,X'892E33CE8EE53894AD2E5E3019C003ABE02F74654CB1AA131159C559877EADA7');
CREATE TABLE leases (
	workspace INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	until BIGINT NOT NULL, 
	PRIMARY KEY (workspace, name)
);
CREATE TABLE lookups (workspace INTEGER NOT NULL, type TEXT NOT NULL, attribute TEXT NOT NULL,
            value TEXT NOT NULL, "key" BIGINT NOT NULL, "first" BOOLEAN NOT NULL,
            PRIMARY KEY (workspace, type, attribute, value, "key")) WITHOUT ROWID;
INSERT INTO "lookups" VALUES(1,'Group','displayName','crew',3766665783332808821,1);
INSERT INTO "lookups" VALUES(1,'Group','meta.lastModified','2026-12-01T00:50:08.025000Z',3766665783332808821,1);
INSERT INTO "lookups" VALUES(1,'User','domain','example.com',3766665783280023411,1);
INSERT INTO "lookups" VALUES(1,'User','domain','example.com',3766665783301067982,1);
INSERT INTO "lookups" VALUES(1,'User','domain','example.com',3766665783320474900,1);
INSERT INTO "lookups" VALUES(1,'User','emails.value','user-1022-0@example.com',3766665783280023411,1);
INSERT INTO "lookups" VALUES(1,'User','emails.value','user-1022-1@example.com',3766665783301067982,1);
INSERT INTO "lookups" VALUES(1,'User','emails.value','user-1022-2@example.com',3766665783320474900,1);
INSERT INTO "lookups" VALUES(1,'User','meta.lastModified','2026-12-01T00:50:08.000000Z',3766665783280023411,1);
INSERT INTO "lookups" VALUES(1,'User','meta.lastModified','2026-12-01T00:50:08.010000Z',3766665783301067982,1);
INSERT INTO "lookups" VALUES(1,'User','meta.lastModified','2026-12-01T00:50:08.019000Z',3766665783320474900,1);
INSERT INTO "lookups" VALUES(1,'User','name.familyName','jensen',3766665783280023411,1);
INSERT INTO "lookups" VALUES(1,'User','name.familyName','jensen',3766665783301067982,1);
INSERT INTO "lookups" VALUES(1,'User','name.familyName','jensen',3766665783320474900,1);
INSERT INTO "lookups" VALUES(1,'User','name.givenName','barbara',3766665783280023411,1);
INSERT INTO "lookups" VALUES(1,'User','name.givenName','barbara',3766665783301067982,1);
INSERT INTO "lookups" VALUES(1,'User','name.givenName','barbara',3766665783320474900,1);
CREATE TABLE members (workspace INTEGER NOT NULL, group_key BIGINT NOT NULL, member_key BIGINT NOT NULL,
            PRIMARY KEY (workspace, group_key, member_key), UNIQUE (workspace, member_key, group_key)) WITHOUT ROWID;
INSERT INTO "members" VALUES(1,3766665783332808821,3766665783280023411);
INSERT INTO "members" VALUES(1,3766665783332808821,3766665783301067982);
CREATE TABLE rate_windows (workspace INTEGER NOT NULL, key_id TEXT NOT NULL, "window" BIGINT NOT NULL,
            used INTEGER NOT NULL, PRIMARY KEY (workspace, key_id));
INSERT INTO "rate_windows" VALUES(1,'836629c949e6c654',29934770,62);
CREATE TABLE requests (
	workspace INTEGER NOT NULL, 
	number BIGINT NOT NULL, 
	time TEXT NOT NULL, 
	request_id TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	operation TEXT NOT NULL, 
	method TEXT NOT NULL, 
	path TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	milliseconds INTEGER NOT NULL, 
	address TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	quirks TEXT NOT NULL, 
	resource TEXT NOT NULL, 
	body TEXT NOT NULL, 
	answer TEXT NOT NULL, 
	PRIMARY KEY (workspace, number)
);
CREATE TABLE resources ("key" INTEGER NOT NULL PRIMARY KEY, workspace INTEGER NOT NULL, type TEXT NOT NULL,
            id TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL, display TEXT, grouped BOOLEAN);
INSERT INTO "resources" VALUES(3766665783280023411,1,'User','01a22f14-9600-731b-ae6c-e7e1b45879d0',1,'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.000Z","version":"W/\"1\"","location":"/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"}}','user-1022-0@example.com',1);
INSERT INTO "resources" VALUES(3766665783301067982,1,'User','01a22f14-960a-73aa-99c1-e2a0925d7e65',1,'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-960a-73aa-99c1-e2a0925d7e65","userName":"user-1022-1@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.010Z","lastModified":"2026-12-01T00:50:08.010Z","version":"W/\"1\"","location":"/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65"}}','user-1022-1@example.com',1);
INSERT INTO "resources" VALUES(3766665783320474900,1,'User','01a22f14-9613-77ba-a299-fadb5a265fbe',1,'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9613-77ba-a299-fadb5a265fbe","userName":"user-1022-2@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-2@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.019Z","lastModified":"2026-12-01T00:50:08.019Z","version":"W/\"1\"","location":"/Users/01a22f14-9613-77ba-a299-fadb5a265fbe"}}','user-1022-2@example.com',NULL);
INSERT INTO "resources" VALUES(3766665783332808821,1,'Group','01a22f14-9619-75d4-8eb9-36a73beb59b6',1,'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"Crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025Z","lastModified":"2026-12-01T00:50:08.025Z","version":"W/\"1\"","location":"/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6"}}','Crew',NULL);
CREATE TABLE searchable ("key" INTEGER NOT NULL PRIMARY KEY, workspace INTEGER NOT NULL, type TEXT NOT NULL,
            body TEXT NOT NULL);
INSERT INTO "searchable" VALUES(3766665783280023411,1,'User','{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"barbara","familyName":"jensen"},"active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000000Z","lastModified":"2026-12-01T00:50:08.000000Z"}}');
INSERT INTO "searchable" VALUES(3766665783301067982,1,'User','{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-960a-73aa-99c1-e2a0925d7e65","userName":"user-1022-1@example.com","name":{"givenName":"barbara","familyName":"jensen"},"active":true,"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.010000Z","lastModified":"2026-12-01T00:50:08.010000Z"}}');
INSERT INTO "searchable" VALUES(3766665783320474900,1,'User','{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9613-77ba-a299-fadb5a265fbe","userName":"user-1022-2@example.com","name":{"givenName":"barbara","familyName":"jensen"},"active":true,"emails":[{"value":"user-1022-2@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.019000Z","lastModified":"2026-12-01T00:50:08.019000Z"}}');
INSERT INTO "searchable" VALUES(3766665783332808821,1,'Group','{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025000Z","lastModified":"2026-12-01T00:50:08.025000Z"}}');
CREATE TABLE secrets (workspace INTEGER NOT NULL, "key" BIGINT NOT NULL, name TEXT NOT NULL,
            hash TEXT NOT NULL, PRIMARY KEY (workspace, "key", name)) WITHOUT ROWID;
CREATE TABLE unique_values (workspace INTEGER NOT NULL, type TEXT NOT NULL, attribute TEXT NOT NULL,
            value TEXT NOT NULL, "key" BIGINT NOT NULL, PRIMARY KEY (workspace, type, attribute, value)) WITHOUT ROWID;
INSERT INTO "unique_values" VALUES(1,'User','userName','user-1022-0@example.com',3766665783280023411);
INSERT INTO "unique_values" VALUES(1,'User','userName','user-1022-1@example.com',3766665783301067982);
INSERT INTO "unique_values" VALUES(1,'User','userName','user-1022-2@example.com',3766665783320474900);
CREATE TABLE webhook_states (
	workspace INTEGER NOT NULL, 
	webhook TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	part INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	due BIGINT NOT NULL, 
	failing_since BIGINT, 
	PRIMARY KEY (workspace, webhook)
);
CREATE TABLE workspaces (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL UNIQUE, contract TEXT NOT NULL,
            strict BOOLEAN NOT NULL, created TEXT NOT NULL, settings TEXT);
INSERT INTO "workspaces" VALUES(1,'default','rfc7644',0,'2026-12-01T00:50:05.267975+00:00',NULL);
CREATE INDEX resources_in_order ON resources (workspace, type, "key");
CREATE INDEX searchable_in_order ON searchable (workspace, type, "key");
CREATE INDEX changes_in_order ON changes (workspace, sequence);
CREATE INDEX changes_of_resource ON changes (workspace, id, sequence);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('changes',5);
COMMIT;
