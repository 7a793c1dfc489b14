"""Keywords that the calibration writes: settings, units, step status, references.

The columns are explained in `jwcore.models.keywords`.
"""

_RESULTS = """
# PRIMARY Inputs of the calibration
TCATFILE  tweakreg_catalog                   s  -       ; source catalogue for the alignment
SCATFILE  source_catalog                     s  -       ; source catalogue of the direct image
SEGMFILE  segmentation_map                   s  -       ; segmentation map of the direct image
DIRIMAGE  direct_image                       s  -       ; direct image

# PRIMARY Results of the calibration
NDRIZ     resample.pointings                 i  -       ; exposures combined
RESWHT    resample.weight_type               s  - @RESWHT ; weights of the resampling
PIXFRAC   resample.pixfrac                   f  -       ; size of the shrunken input pixel
PXSCLRT   resample.pixel_scale_ratio         f  -       ; output pixel size over input pixel size
INT1SKIP  rscd.ngroups_skip_int1             i  -       ; groups dropped, first integration
INT2SKIP  rscd.ngroups_skip_int2p            i  -       ; groups dropped, later integrations
INT1UGP1  rscd.keep_bright_firstgroup_int1   i  -       ; bright first group kept, first integration
INT2UGP1  rscd.keep_bright_firstgroup_int2p  i  -       ; bright first group kept, later integrations
INT1BORS  rscd.keep_groups_saturation_int1   i  -       ; groups kept when saturated, first integration
INT2BORS  rscd.keep_groups_saturation_int2p  i  -       ; groups kept when saturated, later ones
SOSSWDTH  soss_extract1d.width               f  -       ; [pixel] SOSS aperture width
TIKFACTR  soss_extract1d.tikhonov_factor     f  -       ; SOSS regularisation factor
SOSSDLTX  soss_extract1d.delta_x             f  -       ; SOSS trace offset, x
SOSSDLTY  soss_extract1d.delta_y             f  -       ; SOSS trace offset, y
SOSSROTN  soss_extract1d.theta               f  -       ; SOSS trace rotation
OVERSAMP  soss_extract1d.oversampling        f  -       ; SOSS oversampling
THRESHLD  soss_extract1d.threshold           f  -       ; SOSS profile threshold
BKGMETH   background.method                  s          ; background matching
BKGLEVEL  background.level                   f          ; background found
BKGSUB    background.subtracted              b          ; background was subtracted
MASTERBG  background.master_background_file  s  -       ; master background file
BKGD_SCL  background.scaling_factor          f          ; scale of the subtracted background
FLUXEXT   ifu.flux_extension                 s  -       ; extension of the flux
ERREXT    ifu.error_extension                s  -       ; extension of the error
ERRTYPE   ifu.error_type                     s  -       ; kind of error
MASKEXT   ifu.mask_extension                 s  -       ; extension of the mask

# SCI Units and photometry
BUNIT     bunit_data                         s          ; unit of the array
PHOTMJSR  photometry.conversion_megajanskys  f          ; [MJy/sr per DN/s] flux conversion
PHOTUJA2  photometry.conversion_microjanskys f          ; [uJy/arcsec2 per DN/s] flux conversion
PIXAR_SR  photometry.pixelarea_steradians    f          ; [sr] nominal pixel area
PIXAR_A2  photometry.pixelarea_arcsecsq      f          ; [arcsec2] nominal pixel area

# ERR Units
BUNIT     bunit_err                          s  -       ; unit of the array
"""

_STATUS = """
S_TRCMOD adaptive_trace_model   S_PSFALI align_psfs        S_AMIANA ami_analyze      S_AMINOR ami_normalize
S_WCS assign_wcs                S_MTWCS assign_mtwcs       S_BKDSUB bkg_subtract     S_BPXSLF badpix_selfcal
S_BARSHA barshadow              S_CHGMIG charge_migration  S_CLNFNS clean_flicker_noise
S_COMB1D combine_1d             S_IFUCUB cube_build        S_DARK dark_sub           S_DQINIT dq_init
S_MIREMI emicorr                S_TELEMI emission          S_ERRINI err_init         S_EXTR1D extract_1d
S_EXTR2D extract_2d             S_FRSTFR firstframe        S_FLAT flat_field         S_FRINGE fringe
S_GANSCL gain_scale             S_GRPSCL group_scale       S_GUICDS guider_cds       S_IMPRNT imprint
S_IPC ipc                       S_JUMP jump                S_KLIP klip               S_LASTFR lastframe
S_LINEAR linearity              S_MSBSUB master_background S_MSAFLG msa_flagging     S_OUTLIR outlier_detection
S_PTHLOS pathloss               S_PERSIS persistence       S_PHOTOM photom           S_PCTFRM picture_frame
S_PXREPL pixel_replace          S_RAMP ramp_fit            S_REFPIX refpix           S_RESAMP resample
S_RESFRI residual_fringe        S_RESET reset              S_RSCD rscd               S_SATURA saturation
S_SKYMAT skymatch               S_SRCCAT source_catalog    S_SPLEAK spectral_leak    S_SRCTYP srctype
S_PSFSTK stack_psfs             S_STRAY straylight         S_SUPERB superbias        S_TACNTR targ_centroid
S_TSPHOT tso_photometry         S_TWKREG tweakreg          S_WAVCOR wavecorr         S_WFSCOM wfs_combine
S_CONTAM wfss_contam            S_WHTLIT white_light
"""

_REFERENCES = """
R_AREA area             R_BKG bkg               R_BARSHA barshadow      R_CAMERA camera         R_CHRCOR chromcorr
R_COLLIM collimator     R_CUBPAR cubepar        R_DARK dark             R_DFLAT dflat           R_DISPER disperser
R_DISTOR distortion     R_MIREMI emicorr        R_EXTR1D extract1d      R_FFLAT fflat           R_FILOFF filteroffset
R_FLAT flat             R_FORE fore             R_FPA fpa               R_FRINGE fringe         R_FRIFRQ fringefreq
R_GAIN gain             R_IFUFOR ifufore        R_IFUPOS ifupost        R_IFUSLI ifuslicer      R_IPC ipc
R_LASTFR lastframe      R_LINEAR linearity      R_MASK mask             R_MRSPT mrsptcorr       R_MRSXAR mrsxartcorr
R_MSA msa               R_MSAOPE badshutter     R_NRM nrm               R_OTE ote               R_PSTSOS pastasoss
R_PTHLOS pathloss       R_PERSAT persat         R_PHOTOM photom         R_PSFMAS psfmask        R_READNO readnoise
R_REFPIX refpix         R_REGION regions        R_RESAMP resample       R_RESET reset           R_RESOL resolution
R_RSCD rscd             R_SATURA saturation     R_SFLAT sflat           R_SIRSKL sirskernel     R_SPKERN speckernel
R_SPPROF specprofile    R_SPTRAC spectrace      R_SPCWCS specwcs        R_STRAY straylight      R_SUPERB superbias
R_THRPUT throughput     R_TRPDEN trapdensity    R_TRPPAR trappars       R_TSPHOT tso_photometry R_V2V3 v2v3
R_WAVCOR wavecorr       R_WAVRAN wavelengthrange R_WAVMAP wavemap
"""


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return (keyword, name) pairs of a list of alternating words."""
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


TABLE = "\n".join(
    [
        _RESULTS,
        "# PRIMARY References",
        "CRDS_VER ref_file.crds.sw_version s ; software that selected the references",
        "CRDS_CTX ref_file.crds.context_used s ; context of the references",
        *(f"{keyword} ref_file.{name}.name s ; {name} reference" for keyword, name in _pairs(_REFERENCES)),
        "# PRIMARY Simulation",
        "SIMCACHE simulation.cache s - ; folder of the simulated references",
        "SIMCTX simulation.context s - ; context of the simulated references",
        "# PRIMARY Step status",
        *(f"{keyword} cal_step.{name} s @STATUS ; {name}" for keyword, name in _pairs(_STATUS)),
    ]
)
