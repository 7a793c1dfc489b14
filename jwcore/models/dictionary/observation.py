"""Keywords that identify a product: origin, program, observation, visit, target.

The columns are explained in `jwcore.models.keywords`.
"""

TABLE = """
# PRIMARY Origin of the file
DATE      date                               s          ; UTC date and time of file creation
ORIGIN    origin                             s          ; institution that made the file
TIMESYS   time_sys                           s          ; time system of the time keywords
TIMEUNIT  time_unit                          s  -       ; unit of the time keywords
FILENAME  filename                           s          ; name of the file
DATAMODL  model_type                         s          ; data model of the product
TELESCOP  telescope                          s          ; telescope
SDP_VER   data_processing_software_version   s          ; version of the data management software
PRD_VER   prd_software_version               s          ; version of the project reference database
OSS_VER   oss_software_version               s          ; version of the on-board scripts
GSC_VER   guide_star_catalog_version         s          ; version of the guide star catalogue
CAL_VER   calibration_software_version       s          ; version of the calibration software
CAL_VCS   calibration_software_revision      s          ; revision of the calibration software
HGA_MOVE  hga_move                           b          ; antenna moved during the exposure
HGA_STRT  hga_start_time                     s          ; UTC start of the antenna move
HGA_STOP  hga_stop_time                      s          ; UTC end of the antenna move
PWFSEET   pwfseet                            f          ; [d] end of the previous wavefront sensing
NWFSEST   nwfsest                            f          ; [d] start of the next wavefront sensing
COMPRESS  compress                           b  -       ; data were compressed on board

# PRIMARY Association
ASNPOOL   asn.pool_name                      s          ; pool of the association
ASNTABLE  asn.table_name                     s          ; association file

# PRIMARY Program
TITLE     program.title                      s          ; title of the proposal
PI_NAME   program.pi_name                    s          ; principal investigator
CATEGORY  program.category                   s          ; kind of program
SUBCAT    program.sub_category               s          ; kind of program, finer
SCICAT    program.science_category           s          ; science category
CONT_ID   program.continuation_id            i          ; program that this one continues

# PRIMARY Observation
DATE-OBS  observation.date                   s  min     ; UTC date of the start, YYYY-MM-DD
TIME-OBS  observation.time                   s  min     ; UTC time of the start, hh:mm:ss.sss
DATE-BEG  observation.date_beg               s  min     ; UTC date and time of the start
DATE-END  observation.date_end               s  max     ; UTC date and time of the end
OBS_ID    observation.obs_id                 s          ; programmatic observation identifier
VISIT_ID  observation.visit_id               s          ; visit identifier
PROGRAM   observation.program_number         s          ; program number
OBSERVTN  observation.observation_number     s          ; observation number
VISIT     observation.visit_number           s          ; visit number
VISITGRP  observation.visit_group            s          ; visit group
SEQ_ID    observation.sequence_id            s          ; parallel sequence, 1 = prime
ACT_ID    observation.activity_id            s          ; activity, base 36
EXPOSURE  observation.exposure_number        s          ; exposure number
BKGDTARG  observation.bkgdtarg               b          ; target is blank sky for background
TEMPLATE  observation.template               s          ; observation template
OBSLABEL  observation.observation_label      s          ; proposer's label
OBSFOLDR  observation.observation_folder     s  -       ; proposer's folder

# PRIMARY Visit
ENG_QUAL  visit.engineering_quality          s  @ENG_QUAL ; quality of the engineering data
ENGQLPTG  visit.engdb_pointing_quality       s  @ENGQLPTG ; how the pointing was found
VISITYPE  visit.type                         s  @VISITYPE ; kind of visit
VSTSTART  visit.start_time                   s          ; UTC start of the visit
VISITSTA  visit.status                       s          ; how the visit ended
NEXPOSUR  visit.total_exposures              i          ; exposures planned in the visit
INTARGET  visit.internal_target              b          ; some exposure uses an internal source
TARGOOPP  visit.too_visit                    b          ; target of opportunity
TSOVISIT  visit.tsovisit                     b          ; time-series observation
EXP_ONLY  visit.exp_only                     b          ; no instrument configuration commanded
CROWDFLD  visit.crowded_field                b  -       ; crowded guider field

# PRIMARY Target
TARGPROP  target.proposer_name               s          ; proposer's name of the target
TARGNAME  target.catalog_name                s          ; catalogue name of the target
TARGTYPE  target.type                        s          ; FIXED, MOVING or GENERIC
TARGCAT   target.category                    s  -       ; category of the target
TARGDESC  target.description                 s  -       ; description of the target
TARG_RA   target.ra                          f          ; [deg] right ascension at mid exposure
TARG_DEC  target.dec                         f          ; [deg] declination at mid exposure
TARGURA   target.ra_uncertainty              f          ; [arcsec] uncertainty of TARG_RA
TARGUDEC  target.dec_uncertainty             f          ; [arcsec] uncertainty of TARG_DEC
MU_RA     target.proper_motion_ra            f          ; [arcsec/yr] proper motion in RA
MU_DEC    target.proper_motion_dec           f          ; [arcsec/yr] proper motion in Dec
MU_EPOCH  target.proper_motion_epoch         s          ; epoch of the proper motion
PROP_RA   target.proposer_ra                 f          ; [deg] proposer's right ascension
PROP_DEC  target.proposer_dec                f          ; [deg] proposer's declination
SRCTYAPT  target.source_type_apt             s  @SRCTYPE ; source type chosen by the proposer

# SCI Target
SRCTYPE   target.source_type                 s  - @SRCTYPE ; source type used by the calibration
"""
