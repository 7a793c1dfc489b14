"""Keywords of the instrument set-up, the exposure and the subarray.

The columns are explained in `jwcore.models.keywords`.
"""

TABLE = """
# PRIMARY Instrument
INSTRUME  instrument.name                    s  @INSTRUME ; instrument
DETECTOR  instrument.detector                s  multi @DETECTOR ; detector
MODULE    instrument.module                  s  multi @MODULE ; module
CHANNEL   instrument.channel                 s          ; wavelength channel
FILTER    instrument.filter                  s  multi @FILTER ; filter wheel element
FWPOSOFF  instrument.filter_wheel_offset     f  max     ; [deg] filter wheel position offset
FWPOSTOL  instrument.filter_wheel_tolerance  s  wheeltol @TOLERANCE ; filter wheel position check
PUPIL     instrument.pupil                   s  @PUPIL  ; pupil wheel element
PILIN     instrument.pupil_imaging_lens      b          ; pupil imaging lens is in
PWPOSOFF  instrument.pupil_wheel_offset      f  max     ; [deg] pupil wheel position offset
PWPOSTOL  instrument.pupil_wheel_tolerance   s  wheeltol @TOLERANCE ; pupil wheel position check
GRATING   instrument.grating                 s  multi @GRATING ; grating wheel element
BAND      instrument.band                    s  multi @BAND ; MRS sub-band
FXD_SLIT  instrument.fixed_slit              s  @FXD_SLIT ; fixed slit
FOCUSPOS  instrument.focus_position          f          ; [mm] focus position
PREIMAGE  instrument.pre_image_id            s          ; reference image of the MSA planning
FPE_SIDE  instrument.miri_fpe_side           s  - @SIDE ; focal plane electronics side
ICE_SIDE  instrument.miri_ice_side           s  - @SIDE ; instrument control electronics side
CCCSTATE  instrument.ccc_state               s  @CCCSTATE ; contamination control cover
CORONMSK  instrument.coronagraph             s          ; coronagraph mask
MSASTATE  instrument.msa_state               s          ; state of the microshutters
MSAMETFL  instrument.msa_metadata_file       s          ; MSA metadata file
MSAMETID  instrument.msa_metadata_id         i          ; entry of the MSA metadata file
MSACONID  instrument.msa_configuration_id    i          ; MSA configuration
LAMP      instrument.lamp_state              s          ; calibration lamp
OPMODE    instrument.lamp_mode               s  @OPMODE ; mode of a lamp exposure
GWA_XTIL  instrument.gwa_xtilt               f          ; grating wheel tilt sensor, x
GWA_YTIL  instrument.gwa_ytilt               f          ; grating wheel tilt sensor, y
GWA_XP_V  instrument.gwa_xp_v                f          ; [V] grating wheel sensor, x
GWA_YP_V  instrument.gwa_yp_v                f          ; [V] grating wheel sensor, y
GWA_PXAV  instrument.gwa_pxav                f          ; [V] grating wheel sensor average, x
GWA_PYAV  instrument.gwa_pyav                f          ; [V] grating wheel sensor average, y
GWA_TILT  instrument.gwa_tilt                f          ; [K] grating wheel temperature
FWCPOS    instrument.filter_position         f          ; [deg] filter wheel angle
PWCPOS    instrument.pupil_position          f          ; [deg] pupil wheel angle

# PRIMARY Exposure
EXPCOUNT  exposure.count                     i          ; running number of the exposure in the visit
EXPRIPAR  exposure.prime_parallel            s  @EXPRIPAR ; prime or parallel
EXP_TYPE  exposure.type                      s  @EXP_TYPE ; exposure type
EXPSTART  exposure.start_time                f  min     ; [d] UTC start, MJD
EXPMID    exposure.mid_time                  f  mean    ; [d] UTC middle, MJD
EXPEND    exposure.end_time                  f  max     ; [d] UTC end, MJD
EXPSTENG  exposure.start_time_eng            s  -       ; UTC start by the engineering data
OSF_FILE  exposure.osf_file                  s  -       ; observatory status file
READPATT  exposure.readpatt                  s  @READPATT ; readout pattern
HYBRIDFF  exposure.hybrid_full_frame         b          ; hybrid full frame
EXSEGNUM  exposure.segment_number            i  first   ; number of this segment
EXSEGTOT  exposure.segment_total             i          ; number of segments
NOUTPUTS  exposure.noutputs                  i  @NOUTPUTS ; amplifiers used
NINTS     exposure.nints                     i          ; integrations in the exposure
INTSTART  exposure.integration_start         i  min     ; first integration of this segment
INTEND    exposure.integration_end           i  max     ; last integration of this segment
NGROUPS   exposure.ngroups                   i          ; groups in an integration
NFRAMES   exposure.nframes                   i          ; frames averaged in a group
MIRNGRPS  exposure.miri_fsw_ngroups          i          ; groups read on board
MIRNFRMS  exposure.miri_fsw_nframes          i          ; frames read on board
DETMODE   exposure.detmode                   s  - @DETMODE ; detector mode
CMD_TSEL  exposure.cmd_tsel                  s  - @CMD_TSEL ; test pattern
FRMDIVSR  exposure.frame_divisor             i          ; divisor of averaged groups
GROUPGAP  exposure.groupgap                  i          ; frames dropped between groups
DRPFRMS1  exposure.drop_frames1              i          ; frames dropped before the first integration
DRPFRMS3  exposure.drop_frames3              i          ; frames dropped between integrations
NSAMPLES  exposure.nsamples                  i          ; A/D samples of a pixel
TSAMPLE   exposure.sample_time               f          ; [us] time between samples
TFRAME    exposure.frame_time                f          ; [s] time between frames
TGROUP    exposure.group_time                f          ; [s] time between groups
EFFINTTM  exposure.integration_time          f          ; [s] effective integration time
EFFEXPTM  exposure.exposure_time             f  sum     ; [s] effective exposure time
TMEASURE  exposure.measurement_time          f  sum     ; [s] measurement time
DURATION  exposure.duration                  f  sum     ; [s] duration of the exposure
NRSTSTRT  exposure.nresets_at_start          i          ; resets before the exposure
NRESETS   exposure.nresets_between_ints      i          ; resets between integrations
ZEROFRAM  exposure.zero_frame                b          ; first frame was sent separately
DATAPROB  exposure.data_problem              b          ; telemetry reports a problem
SCA_NUM   exposure.sca_num                   i          ; sensor chip assembly
DATAMODE  exposure.datamode                  i          ; on-board processing of the data
NRS_NORM  exposure.nrs_normal                i          ; IRS2: normal pixels in a row of reads
NRS_REF   exposure.nrs_reference             i          ; IRS2: reference pixels in a row of reads
SCTARATE  exposure.clock_adjust_rate         f          ; [ms/s] spacecraft clock rate correction
GAINFACT  exposure.gain_factor               f          ; gain relative to the standard set-up
IS_IMPRT  exposure.imprint                   b          ; imprint exposure
IS_PSF    exposure.psf_reference             b          ; PSF reference
SELFREF   exposure.self_reference_survey     b          ; target is its own PSF reference
PRIMECRS  exposure.primary_cosmic_rays       f  -       ; cosmic rays per 1000 pixels and second
EXTNCRS   exposure.extended_emission_events  f  -       ; large events per 10^6 pixels and second

# PRIMARY Subarray
SUBARRAY  subarray.name                      s          ; subarray
SUB_SHRT  subarray.subarray_short            s          ; subarray of the short channel
SUB_LONG  subarray.subarray_long             s          ; subarray of the long channel
SUBSTRT1  subarray.xstart                    i          ; first column, 1-based
SUBSTRT2  subarray.ystart                    i          ; first row, 1-based
SUBSIZE1  subarray.xsize                     i          ; number of columns
SUBSIZE2  subarray.ysize                     i          ; number of rows
FASTAXIS  subarray.fastaxis                  i          ; fast readout direction, +-1 = x, +-2 = y
SLOWAXIS  subarray.slowaxis                  i          ; slow readout direction, +-1 = x, +-2 = y
DETXCOR   subarray.detxcor                   i          ; first column, detector frame
DETYCOR   subarray.detycor                   i          ; first row, detector frame
DETXSIZ   subarray.detxsiz                   i          ; number of columns, detector frame
DETYSIZ   subarray.detysiz                   i          ; number of rows, detector frame
MSTR_RD1  subarray.multistripe_reads1        i          ; multistripe: rows read, first block
MSTR_SK1  subarray.multistripe_skips1        i          ; multistripe: rows skipped, first block
MSTR_RD2  subarray.multistripe_reads2        i          ; multistripe: rows read, then
MSTR_SK2  subarray.multistripe_skips2        i          ; multistripe: rows skipped, then
MSTR_RPT  subarray.repeat_stripe             i          ; multistripe: same stripe again
MSTR_ILV  subarray.interleave_reads1         i          ; multistripe: first block between stripes
SSTR_STP  subarray.superstripe_step          i          ; superstripe: step in rows
SSTR_NST  subarray.num_superstripe           i          ; superstripe: number of stripes
"""
