-- A ledger of revision 0001 (SQLite) with a row in every table. Never alter it.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE circuit (
	destination VARCHAR(64) NOT NULL, 
	failures INTEGER DEFAULT 0 NOT NULL, 
	retry_at DOUBLE DEFAULT 0 NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	paused BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_circuit PRIMARY KEY (destination)
);
INSERT INTO "circuit" VALUES('pacs',2,1760000100.0,'pacs: no association',0);
CREATE TABLE cursor (
	source VARCHAR(64) NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_cursor PRIMARY KEY (source)
);
INSERT INTO "cursor" VALUES('hub',4711);
CREATE TABLE event (
	id INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	study_instance_uid VARCHAR(64) DEFAULT '' NOT NULL, 
	sop_instance_uid VARCHAR(64) DEFAULT '' NOT NULL, 
	job INTEGER, 
	destination VARCHAR(64) DEFAULT '' NOT NULL, 
	detail TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_event PRIMARY KEY (id)
);
INSERT INTO "event" VALUES(1,1760000060.0,'queued','1.2.826.0.1.3680043.8.498.1','',1,'','first');
INSERT INTO "event" VALUES(2,1760000072.0,'sent','1.2.826.0.1.3680043.8.498.1','2.25.1',NULL,'pacs','');
CREATE TABLE instance (
	sop_instance_uid VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	sop_class_uid VARCHAR(64) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	series_instance_uid VARCHAR(64) NOT NULL, 
	transfer_syntax_uid VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	received_at DOUBLE NOT NULL, 
	source VARCHAR(64) DEFAULT '' NOT NULL, 
	peer VARCHAR(64) DEFAULT '' NOT NULL, 
	modality VARCHAR(16) DEFAULT '' NOT NULL, 
	"conflict" BOOLEAN DEFAULT 0 NOT NULL, 
	generation INTEGER, 
	CONSTRAINT pk_instance PRIMARY KEY (sop_instance_uid, sha256)
);
INSERT INTO "instance" VALUES('1.2.826.0.1.3680043.8.498.1.1.1','0000000000000000000000000000000000000000000000000000000000000001','1.2.840.10008.5.1.4.1.1.6.1','1.2.826.0.1.3680043.8.498.1','1.2.826.0.1.3680043.8.498.1.1','1.2.840.10008.1.2.1','archive/01/0000000000000000000000000000000000000000000000000000000000000001.dcm',4096,1760000001.0,'SONO1','192.0.2.7','US',0,1);
INSERT INTO "instance" VALUES('1.2.826.0.1.3680043.8.498.1.1.2','0000000000000000000000000000000000000000000000000000000000000002','1.2.840.10008.5.1.4.1.1.6.1','1.2.826.0.1.3680043.8.498.1','1.2.826.0.1.3680043.8.498.1.1','1.2.840.10008.1.2.1','archive/02/0000000000000000000000000000000000000000000000000000000000000002.dcm',8192,1760000002.0,'SONO1','192.0.2.7','US',0,2);
INSERT INTO "instance" VALUES('1.2.826.0.1.3680043.8.498.1.1.2','0000000000000000000000000000000000000000000000000000000000000003','1.2.840.10008.5.1.4.1.1.6.1','1.2.826.0.1.3680043.8.498.1','1.2.826.0.1.3680043.8.498.1.1','1.2.840.10008.1.2.1','archive/03/0000000000000000000000000000000000000000000000000000000000000003.dcm',12288,1760000003.0,'SONO1','192.0.2.7','US',1,NULL);
CREATE TABLE job (
	id INTEGER NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	generation INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	due DOUBLE NOT NULL, 
	attempt INTEGER DEFAULT 0 NOT NULL, 
	claims_without_outcome INTEGER DEFAULT 0 NOT NULL, 
	owner VARCHAR(128) DEFAULT '' NOT NULL, 
	lease_until DOUBLE DEFAULT 0 NOT NULL, 
	created_at DOUBLE NOT NULL, 
	started_at DOUBLE, 
	finished_at DOUBLE, 
	cause VARCHAR(16) DEFAULT '' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	findings TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_job PRIMARY KEY (id), 
	CONSTRAINT fk_job_study_instance_uid FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid), 
	CONSTRAINT uq_job_study_instance_uid_generation UNIQUE (study_instance_uid, generation)
);
INSERT INTO "job" VALUES(1,'1.2.826.0.1.3680043.8.498.1',1,'done',1760000060.0,1,0,'host:1:worker-0',0.0,1760000060.0,1760000061.0,1760000070.5,'first','','[]');
INSERT INTO "job" VALUES(2,'1.2.826.0.1.3680043.8.498.1',2,'queued',1760000560.0,0,0,'',0.0,1760000560.0,NULL,NULL,'late images','','');
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	destination VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	due DOUBLE NOT NULL, 
	attempt INTEGER DEFAULT 0 NOT NULL, 
	owner VARCHAR(128) DEFAULT '' NOT NULL, 
	lease_until DOUBLE DEFAULT 0 NOT NULL, 
	created_at DOUBLE NOT NULL, 
	sent_at DOUBLE, 
	last_error TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_outbox PRIMARY KEY (id), 
	CONSTRAINT fk_outbox_sop_instance_uid FOREIGN KEY(sop_instance_uid) REFERENCES result (sop_instance_uid), 
	CONSTRAINT uq_outbox_sop_instance_uid_destination UNIQUE (sop_instance_uid, destination)
);
INSERT INTO "outbox" VALUES(1,'2.25.1','pacs','sent',1760000071.0,1,'host:2:sender',0.0,1760000070.5,1760000072.0,'');
INSERT INTO "outbox" VALUES(2,'2.25.2','pacs','held',1760000071.0,3,'host:2:sender',0.0,1760000070.5,NULL,'status 0x0122: refused');
CREATE TABLE process (
	name VARCHAR(64) NOT NULL, 
	pid INTEGER NOT NULL, 
	started_at DOUBLE NOT NULL, 
	beat_at DOUBLE NOT NULL, 
	counters TEXT DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_process PRIMARY KEY (name)
);
INSERT INTO "process" VALUES('listener',77,1760000000.0,1760000500.0,'{"associations": 3.0}');
CREATE TABLE result (
	sop_instance_uid VARCHAR(64) NOT NULL, 
	sop_class_uid VARCHAR(64) NOT NULL, 
	series_instance_uid VARCHAR(64) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	job_id INTEGER NOT NULL, 
	generation INTEGER NOT NULL, 
	role VARCHAR(16) DEFAULT '' NOT NULL, 
	"key" VARCHAR(256) DEFAULT '' NOT NULL, 
	instance_number INTEGER NOT NULL, 
	transfer_syntax_uid VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	CONSTRAINT pk_result PRIMARY KEY (sop_instance_uid), 
	CONSTRAINT fk_result_job_id FOREIGN KEY(job_id) REFERENCES job (id)
);
INSERT INTO "result" VALUES('2.25.1','1.2.840.10008.5.1.4.1.1.88.34','2.25.91','1.2.826.0.1.3680043.8.498.1',1,1,'sr','sr|study',1,'1.2.840.10008.1.2.1','results/01/1.dcm','000000000000000000000000000000000000000000000000000000000000000b',9001);
INSERT INTO "result" VALUES('2.25.2','1.2.840.10008.5.1.4.1.1.7','2.25.92','1.2.826.0.1.3680043.8.498.1',1,1,'sc','sc|study',2,'1.2.840.10008.1.2.1','results/02/2.dcm','000000000000000000000000000000000000000000000000000000000000000c',9002);
CREATE TABLE study (
	study_instance_uid VARCHAR(64) NOT NULL, 
	generation INTEGER DEFAULT 0 NOT NULL, 
	first_received_at DOUBLE NOT NULL, 
	last_received_at DOUBLE NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	CONSTRAINT pk_study PRIMARY KEY (study_instance_uid)
);
INSERT INTO "study" VALUES('1.2.826.0.1.3680043.8.498.1',2,1760000000.0,1760000500.0,'settled');
CREATE TABLE verdict (
	id INTEGER NOT NULL, 
	job_id INTEGER NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	generation INTEGER NOT NULL, 
	plugin VARCHAR(128) DEFAULT '' NOT NULL, 
	code VARCHAR(64) DEFAULT '' NOT NULL, 
	text TEXT DEFAULT '' NOT NULL, 
	remedy TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_verdict PRIMARY KEY (id), 
	CONSTRAINT fk_verdict_job_id FOREIGN KEY(job_id) REFERENCES job (id)
);
INSERT INTO "verdict" VALUES(1,1,'1.2.826.0.1.3680043.8.498.1.1.1',1,'echogenicity','analysed','measured','');
INSERT INTO "verdict" VALUES(2,1,'1.2.826.0.1.3680043.8.498.1.1.2',1,'','no-calibration','no region calibration','send the original image');
CREATE INDEX ix_event_study ON event (study_instance_uid, id);
CREATE INDEX ix_instance_study ON instance (study_instance_uid, generation);
CREATE INDEX ix_study_state ON study (state);
CREATE INDEX ix_job_state ON job (state, due, id);
CREATE INDEX ix_result_study ON result (study_instance_uid, generation);
CREATE INDEX ix_verdict_instance ON verdict (sop_instance_uid, generation);
CREATE INDEX ix_outbox_destination ON outbox (destination, state, due, id);
COMMIT;
